"""Official parameters in the forms that users keep: ``pars-*.asdf``, ``.cfg``, ``strun``, ``call``.

Each form is read into and written from `Settings`, exact both ways. A file of a pipeline holds the
settings of its steps.
"""

from __future__ import annotations

import ast
import dataclasses as dc
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from jwinteractive.errors import InputError, OutputError, suggestion
from jwinteractive.official.catalogue import Described, Knob, catalogue, is_true, item_type
from jwinteractive.official.parameters import from_official, to_official
from jwinteractive.recipe import Stage
from jwinteractive.step import OFFICIAL

__all__ = [
    "Settings",
    "call_text",
    "read_call",
    "read_pars",
    "read_strun",
    "strun_line",
    "write_pars",
]

_PIPELINES: Final = "jwst.pipeline."
_SAID: Final = 80  # characters of a text that is none of ours


@dc.dataclass(frozen=True)
class Settings:
    """Parameters of an official step, or of a pipeline itself.

    Attributes
    ----------
    alias
        Name of the step, or class of the pipeline.
    values
        By name, in the official types; what they leave out has the default of the spec.
    skip
        Whether the step is off; None where nothing is said.
    left_out
        Names that the installed version of the step does not know, those that are given no value
        but need one or a truth where it has none, and those of files and hooks, which a session
        sees to.
    """

    alias: str
    values: Mapping[str, Any]
    skip: bool | None = None
    left_out: tuple[str, ...] = ()

    @classmethod
    def of(cls, stage: Stage) -> Self:
        """Settings of an official stage of a recipe, all values spelt out.

        Raises
        ------
        InputError
            If the stage is of a native step.
        """
        if not stage.step.startswith(OFFICIAL):
            raise InputError(f"{stage.step}: is a native step: official files hold official ones")
        alias = stage.step.removeprefix(OFFICIAL)
        return cls(alias, to_official(stage.params), not stage.enabled)

    def stage(self) -> Stage:
        """Stage of a recipe.

        Raises
        ------
        InputError
            If they are of a pipeline.
        ParamError
            If a value is not allowed.
        """
        if self.of_pipeline:
            raise InputError(f"{self.alias}: is a pipeline: a recipe has its steps, not itself")
        described = self.described
        off = described.skipped if self.skip is None else self.skip
        return Stage(OFFICIAL + self.alias, from_official(self.alias, self.values), not off)

    @property
    def described(self) -> Described:
        """The step, or the pipeline."""
        return catalogue().described(self.alias)

    @property
    def of_pipeline(self) -> bool:
        """Whether they are of a pipeline itself, such as whether it keeps its files in memory."""
        return self.alias in catalogue().pipelines

    @classmethod
    def sorted_out(cls, alias: str, given: Mapping[str, Any]) -> Self:
        """Settings of what a file holds: names that are no parameters are left out."""
        knobs = catalogue().described(alias).knob
        values = {
            name: value
            for name, value in given.items()
            if name in knobs and _can_be(knobs[name], value)
        }
        skip = given.get("skip")
        rest = tuple(name for name in given if name not in values and name != "skip")
        return cls(alias, values, None if skip is None else bool(skip), rest)


def _can_be(knob: Knob, value: Any) -> bool:
    if value is None:  # it says nothing of a parameter that always has a value
        return knob.default is None
    # of other versions: False would be the name of a file in a text
    return knob.kind == "boolean" or not isinstance(value, bool)


# -- parameter files ----------------------------------------------------------------------------


def read_pars(path: Path | str) -> tuple[Settings, ...]:
    """Settings of the step, or of the pipeline and its steps, of a ``.asdf`` or ``.cfg`` file.

    What a file does not say of the pipeline itself, and steps that the installed package does not
    have, are left out.

    Raises
    ------
    InputError
        If it is no such file, or of a step that is not installed.
    """
    path = Path(path)
    try:
        tree = _asdf_tree(path) if path.suffix == ".asdf" else _cfg_tree(path)
    except (OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else error
        raise InputError(
            f"{path.name}: is no file of official parameters ({why}): give a .asdf or a .cfg"
        ) from None
    pipeline = _pipeline_of(tree["class"]) or _pipeline_of(tree["name"])
    steps = tree["steps"] if tree["steps"] or pipeline else [tree]
    aliases = [_alias_of(one["class"], one["name"]) for one in steps]
    if steps and not any(aliases):
        name = steps[0]["name"]
        raise InputError(
            f"{path.name}: step {name!r}: {suggestion(name, sorted(catalogue().steps))}"
        )
    own = [Settings.sorted_out(pipeline, tree["parameters"])] if pipeline else []
    return (
        *_spoken(own),
        *(
            Settings.sorted_out(alias, one["parameters"])
            for alias, one in zip(aliases, steps, strict=True)
            if alias
        ),
    )


def _spoken(settings: Iterable[Settings]) -> tuple[Settings, ...]:
    """Settings that say something."""
    return tuple(one for one in settings if one.values or one.skip is not None or one.left_out)


def _asdf_tree(path: Path) -> dict[str, Any]:
    import asdf

    with asdf.open(path, lazy_load=False, memmap=False) as file:
        return _plain(file.tree)


def _plain(tree: Mapping[str, Any]) -> dict[str, Any]:
    """What matters of a parameter tree, in plain Python; old ones have all of it in one table."""
    if "class" not in tree:
        table = dict(tree["parameters"])
        steps = [{"parameters": {"name": n, **t}} for n, t in table.pop("steps", {}).items()]
        own = {"class": table.pop("class", ""), "name": table.pop("name", "")}
        tree = own | {"parameters": table, "steps": steps}
    return {
        "class": str(tree["class"]),
        "name": str(tree["name"]),
        "parameters": {str(k): _bare(v) for k, v in tree["parameters"].items()},
        "steps": [_plain(step) for step in tree.get("steps", [])],
    }


def _bare(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _bare(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_bare(item) for item in value]
    return value


def _cfg_tree(path: Path) -> dict[str, Any]:
    from astropy.extern.configobj.configobj import ConfigObj

    config = ConfigObj(str(path), interpolation=False, file_error=True, raise_errors=True)
    return _of_section(config, str(config.get("name", "")))


def _of_section(section: Any, name: str) -> dict[str, Any]:
    steps = section.get("steps", {})
    found = {k: v for k, v in section.items() if k not in ("name", "class", "steps")}
    whole = _pipeline_of(str(section.get("class", "")))
    described = catalogue().pipelines.get(whole) or catalogue().steps.get(name)
    knobs = {} if described is None else described.knob
    typed = {k: _from_text(knobs.get(k), k, v) for k, v in found.items()}
    return {
        "class": str(section.get("class", "")),
        "name": name,
        "parameters": typed,
        "steps": [_of_section(step, step_name) for step_name, step in steps.items()],
    }


def write_pars(path: Path | str, settings: Iterable[Settings], pipeline: str = "") -> Path:
    """Write a ``.asdf`` or ``.cfg`` file that the official package reads.

    Parameters
    ----------
    path
        Its ending says the form.
    settings
        Of one step; of several with the name of their pipeline's class, or with its own settings.

    Raises
    ------
    InputError
        If there are several steps and no pipeline.
    OutputError
        If it cannot be written.
    """
    path = Path(path)
    own, steps = _of_one_call(settings, pipeline, f"{path.name}: ")
    trees = [_tree(one, _name_in(own.alias if own else "", one.alias)) for one in steps]
    whole = trees[0] if own is None else _tree(own, own.alias) | {"steps": trees}
    try:
        if path.suffix == ".asdf":
            import asdf

            with asdf.AsdfFile(whole) as file:
                file.write_to(path)
        else:
            path.write_text("\n".join(_cfg_lines(whole, "")) + "\n")
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}): choose another folder"
        ) from None
    return path


def _of_one_call(
    settings: Iterable[Settings], pipeline: str, where: str = ""
) -> tuple[Settings | None, tuple[Settings, ...]]:
    """Settings of the pipeline, if any, and of the steps, that one file, command or call holds."""
    settings = tuple(settings)
    own = tuple(one for one in settings if one.of_pipeline)
    steps = tuple(one for one in settings if not one.of_pipeline)
    names = list(dict.fromkeys(name for name in (pipeline, *(s.alias for s in own)) if name))
    if len(names) > 1 or (not names and len(steps) != 1):
        found = f"{' and '.join(names)}: take" if names else f"{len(steps)} steps: name"
        way_out = "one pipeline" if names else "the pipeline that they are of"
        raise InputError(f"{where}{found} {way_out}")
    if not names:
        return None, steps
    return own[0] if own else Settings(names[0], {}), steps


def _tree(one: Settings, name: str) -> dict[str, Any]:
    skip = {} if one.skip is None else {"skip": one.skip}
    return {
        "class": _PIPELINES + one.alias if one.of_pipeline else one.described.cls,
        "name": name,
        "parameters": dict(one.values) | skip,
    }


def _cfg_lines(tree: Mapping[str, Any], indent: str) -> list[str]:
    lines = [f'{indent}name = "{tree["name"]}"', f'{indent}class = "{tree["class"]}"']
    given = {k: v for k, v in tree["parameters"].items() if v is not None}  # it has no None
    lines += [f"{indent}{k} = {_written(k, v)}" for k, v in given.items()]
    if tree.get("steps"):
        lines.append(f"{indent}[steps]")
        for step in tree["steps"]:
            lines.append(f"{indent}  [[{step['name']}]]")
            lines += _cfg_lines(step, indent + "    ")[1:]
    return lines


def _written(name: str, value: Any) -> str:
    """Value as a parameter file or a command line has it; both read it by the same rules.

    Raises
    ------
    InputError
        If no quotes can hold a text.
    """
    if isinstance(value, list):
        items = [_written(name, item) for item in value]
        return ", ".join(items) + ("," if len(items) < 2 else "")
    if not isinstance(value, str):
        return str(value)
    quote = next((q for q in "\"'" if q not in value), "")
    if not quote or "\n" in value or "%(" in value:
        raise InputError(
            f"{name} = {value!r}: a .cfg or a command line cannot hold this text: write a .asdf"
        )
    return f"{quote}{value}{quote}"


# -- command lines and calls ----------------------------------------------------------------------


def strun_line(settings: Iterable[Settings], file: str = "FILE", pipeline: str = "") -> str:
    """Command line of a step, or of steps of a pipeline: what differs from the defaults.

    Raises
    ------
    InputError
        If there are several steps and no pipeline, or a text that it cannot hold.
    """
    own, steps = _of_one_call(settings, pipeline)
    words = ["strun", steps[0].alias if own is None else _PIPELINES + own.alias, file]
    for one in steps if own is None else (own, *steps):
        inside = own is not None and one is not own
        start = f"--steps.{_name_in(own.alias, one.alias)}." if own and inside else "--"
        words += [f"{start}{k}={_written(k, v)}" for k, v in _changed(one).items()]
    return shlex.join(words)


def read_strun(line: str) -> tuple[Settings, ...]:
    """Settings of a command line of a step or a pipeline, by step.

    Raises
    ------
    InputError
        If it is none, or of a step that is not installed.
    """
    try:
        words = shlex.split(line.replace("\\\n", " "))
    except ValueError as error:
        raise InputError(f"{_start(line)}: is no command line ({error})") from None
    words = words[1:] if words[:1] == ["strun"] else words
    plain = [word for word in words if not word.startswith("--")]
    if not plain:
        raise InputError("no step in this command line: give: strun STEP FILE --PARAMETER=VALUE")
    pipeline = _pipeline_of(plain[0])
    given: dict[str, dict[str, Any]] = {} if pipeline else {_known_alias(plain[0]): {}}
    for word in words:
        name, equals, text = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not equals:
            continue  # a file, or a switch of the command itself
        alias, name = _place(pipeline, next(iter(given), ""), name)
        knob = catalogue().described(alias).knob.get(name)
        given.setdefault(alias, {})[name] = _from_text(knob, name, _unquoted(text))
    return tuple(Settings.sorted_out(alias, values) for alias, values in given.items())


def _place(pipeline: str, alias: str, name: str) -> tuple[str, str]:
    """Alias of the step, or the pipeline, that an option is of, and its parameter."""
    if not pipeline:
        return alias, name
    if not name.startswith("steps."):
        return pipeline, name
    _, step, name = name.split(".", 2)
    return _alias_in(pipeline, step), name


def _unquoted(text: str) -> Any:
    """Text or list of texts that a value stands for, by the rules of parameter files."""
    from astropy.extern.configobj.configobj import ConfigObj

    try:
        found = ConfigObj([f"x = {text}"], interpolation=False, raise_errors=True)
    except (SyntaxError, ValueError) as error:
        raise InputError(f"{text!r}: is no value ({error})") from None
    return found["x"]


def call_text(settings: Iterable[Settings], file: str = '"FILE"', pipeline: str = "") -> str:
    """Python that calls a step, or a pipeline, with what differs from the defaults.

    Raises
    ------
    InputError
        If there are several steps and no pipeline.
    """
    own, steps = _of_one_call(settings, pipeline)
    (one,) = steps if own is None else (own,)
    given = [f"{k}={_literal(v)}" for k, v in _changed(one).items()]
    if own is not None:
        inside = {_name_in(own.alias, step.alias): _changed(step) for step in steps}
        given += [f"steps={_literal(inside)}"] if inside else []
    return f"{one.described.cls.rpartition('.')[2]}.call({', '.join([file, *given])})"


def _literal(value: Any) -> str:
    """Value as Python reads it; infinity has no other literal than a number too large."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k!r}: {_literal(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(value).replace("inf", "1e999") if isinstance(value, float) else repr(value)


def read_call(text: str) -> tuple[Settings, ...]:
    """Settings of such a call, by step; nothing is evaluated but literals.

    Raises
    ------
    InputError
        If it is none, or of a step that is not installed.
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
        assert isinstance(call, ast.Call)
        name = ast.unparse(call.func).split(".")[-2 if isinstance(call.func, ast.Attribute) else -1]
        given = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
        pipeline = _pipeline_of(name)
        if not pipeline:
            return (Settings.sorted_out(_known_alias(name), _lists(given)),)
        steps = given.pop("steps", {})
        return (
            *_spoken([Settings.sorted_out(pipeline, _lists(given))]),
            *(
                Settings.sorted_out(_alias_in(pipeline, step), _lists(values))
                for step, values in steps.items()
            ),
        )
    except (SyntaxError, AssertionError, ValueError, IndexError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{_start(text)}: is no call of a step: give one such as JumpStep.call(x, skip=True)"
        ) from None


def _start(text: str) -> str:
    """The beginning of what somebody gave, to say which it is."""
    return repr(text) if len(text) <= _SAID else f"{text[:_SAID]!r}..."


def _lists(given: Mapping[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in given.items()}


def _pipeline_of(name: str) -> str:
    """Class of a pipeline by that name or by what the command calls it; "" if it is none."""
    short = name.rpartition(".")[2]
    for pipeline in catalogue().orders:
        if short in (pipeline, f"calwebb_{pipeline.removesuffix('Pipeline').lower()}"):
            return pipeline
    return ""


def _name_in(pipeline: str, alias: str) -> str:
    return catalogue().named.get(pipeline, {}).get(alias, alias)


def _alias_in(pipeline: str, name: str) -> str:
    names = {own: alias for alias, own in catalogue().named.get(pipeline, {}).items()}
    return _known_alias(names.get(name, name))


def _known_alias(name: str) -> str:
    """Alias of a step by that or by its class.

    Raises
    ------
    InputError
        If it is not installed.
    """
    alias = _alias_of(name)
    if not alias:
        raise InputError(f"step {name!r}: {suggestion(name, sorted(catalogue().steps))}")
    return alias


def _alias_of(*names: str) -> str:
    """Alias of a step by the first of some names that is one, or a class; "" where none is."""
    known = catalogue().steps
    classes = {described.cls.rpartition(".")[2]: alias for alias, described in known.items()}
    found = (classes.get(n.rpartition(".")[2]) or (n if n in known else "") for n in names)
    return next((alias for alias in found if alias), "")


def _changed(one: Settings) -> dict[str, Any]:
    knobs = one.described.knob
    changed = {k: v for k, v in one.values.items() if v != knobs[k].default}
    own = one.skip is not None and one.skip != one.described.skipped
    return changed | ({"skip": one.skip} if own else {})


def _from_text(knob: Knob | None, name: str, text: Any) -> Any:
    """Value of a text, in the type of its parameter; a text where nobody knows it.

    Raises
    ------
    InputError
        If it is no such value.
    """
    try:
        return _typed(knob, name, text)
    except ValueError:
        kind = "" if knob is None else knob.kind.replace("_", " of ")
        raise InputError(f"{name} = {text!r}: needs a value of kind {kind}") from None


def _typed(knob: Knob | None, name: str, text: Any) -> Any:
    if knob is None:
        return is_true(text) if name == "skip" else text
    if "list" in knob.kind:
        if text in ("None", ""):
            return None
        items = text if isinstance(text, list) else [t.strip() for t in str(text).split(",") if t]
        return [item_type(knob.kind)(item) for item in items]
    if isinstance(text, list):  # a text with commas that had no quotes
        text = ", ".join(text)
    if text == "None" and knob.default is None:
        return None
    match knob.kind:
        case "boolean":
            return is_true(text)
        case "float":
            return float(text)
        case "integer":
            return int(text)
    return str(text)
