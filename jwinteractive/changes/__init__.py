"""What changed in the official package since it made a product."""

from jwinteractive.changes.catalogue import Change, Changes, changes, load
from jwinteractive.changes.made import Made, made_of
from jwinteractive.changes.since import Since, as_json, as_text, since, what_changed

__all__ = [
    "Change",
    "Changes",
    "Made",
    "Since",
    "as_json",
    "as_text",
    "changes",
    "load",
    "made_of",
    "since",
    "what_changed",
]
