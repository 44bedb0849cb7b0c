"""Bad pixels that come and go, followed over epochs."""

import numpy as np
import pytest

from jwinteractive.badpix import gather
from jwinteractive.badpix.evolution import (
    Epoch,
    EvolutionParams,
    count_plot,
    epoch_of,
    follow,
)
from jwinteractive.errors import InputError
from jwinteractive.simulate.rates import simulate_rates


def one(seen, days=90.0, observed=None):
    """Epochs of a single pixel, so many days apart."""
    return [
        Epoch(60000.0 + days * k, {"HOT": np.array([[s]])}, observed and observed[k])
        for k, s in enumerate(seen)
    ]


def states(evolution, name="HOT"):
    return evolution.states[name][:, 0, 0].tolist()


def test_probability_of_one_pixel_is_that_worked_by_hand():
    # odds 0.01 / 0.99, flagged: times 0.9 / 0.001; half of it fades in 90 days
    first = follow(one([True, True])[:1] * 2)  # twice on the same day
    assert states(first) == [False, True]
    evolution = follow(one([True, True, False]))
    assert states(evolution) == [False, True, False]
    p = 0.01 / 0.99 * 900
    p = p / (1 + p)
    assert p == pytest.approx(0.9009, abs=1e-4)
    for ratio in (900, 0.1 / 0.999):
        p = 0.01 + (p - 0.01) / 2
        odds = p / (1 - p) * ratio
        p = odds / (1 + odds)
    assert evolution.probability["HOT"][0, 0] == pytest.approx(p, rel=1e-5)


def test_a_single_false_flag_and_a_single_miss_change_nothing():
    assert states(follow(one([False, True, False, False], 10))) == [False] * 4
    assert states(follow(one([True, True, False, True], 10))) == [False, True, True, True]


def test_two_misses_end_it():
    assert states(follow(one([True, True, True, False, False], 10)))[-1] is False


def test_what_is_not_observed_tells_nothing():
    yes, no = np.array([[True]]), np.array([[False]])
    seen = follow(one([True, True, False, False, False], 10, [yes, yes, no, no, no]))
    assert states(seen) == [False, True, True, True, True]
    assert seen.probability["HOT"][0, 0] < 0.99  # it fades


def test_significances_tell_by_how_much():
    seen = follow(one([6.0, np.nan, 0.0], 10))
    assert states(seen) == [True, True, False]
    assert states(follow(one([2.5, 2.5, 2.5], 10))) == [False] * 3  # half way says nothing


def test_epochs_are_put_in_order():
    evolution = follow(one([True, True, False])[::-1])
    assert evolution.mjds == (60000.0, 60090.0, 60180.0)
    assert states(evolution) == [False, True, False]


def test_switching_pixels_are_followed_with_few_errors():
    rng = np.random.default_rng(1)
    shape, count, days = (150, 200), 12, 30.0
    true = np.zeros((count, *shape), bool)
    true[0] = rng.random(shape) < 0.01
    for k in range(1, count):
        true[k] = np.where(true[k - 1], rng.random(shape) > 0.01, rng.random(shape) < 3e-4)
    seen = np.where(true, rng.random(true.shape) < 0.9, rng.random(true.shape) < 1e-3)
    evolution = follow([Epoch(60000 + days * k, {"WARM": s}) for k, s in enumerate(seen)])
    found = evolution.states["WARM"]
    # most are known after two epochs of the same state: 81 % are flagged in both
    stayed = true.copy()
    stayed[1:] &= true[:-1]
    stayed[0] = False
    assert found[stayed].mean() > 0.81
    never = ~true.any(axis=0)
    false_now, false_then = found[:, never].mean(), seen[:, never].mean()
    assert false_now < 0.05 * false_then
    wrong = (found[2:] != true[2:]).mean()
    assert wrong < 0.75 * (seen[2:] != true[2:]).mean()


def test_new_and_gone_pixels_add_up_to_the_counts():
    rng = np.random.default_rng(2)
    planes = [rng.random((40, 50)) < 0.3 for _ in range(6)]
    evolution = follow([Epoch(60000 + 20.0 * k, {"HOT": s}) for k, s in enumerate(planes)])
    counts = evolution.counts("HOT")
    assert counts[-1] > 0
    total = 0
    for k in range(6):
        new, gone = evolution.new("HOT", k), evolution.gone("HOT", k)
        assert not (new & gone).any()
        total += int(new.sum()) - int(gone.sum())
        assert total == counts[k]
    assert np.array_equal(evolution.new("HOT", -1), evolution.new("HOT", 5))


def test_the_plot_shows_counts_against_the_date():
    rng = np.random.default_rng(3)
    planes = [rng.random((70, 30)) < 0.5 for _ in range(3)]
    epochs = [Epoch(60000.0 + k, {"HOT": s, "WARM": ~s if k else s}) for k, s in enumerate(planes)]
    evolution = follow(epochs)
    plot = count_plot(evolution)
    assert [c.name for c in plot.curves] == ["HOT", "WARM"]
    assert plot.curves[0].x.tolist() == [60000.0, 60001.0, 60002.0]
    assert np.array_equal(plot.curves[1].y, evolution.counts("WARM"))
    assert len(count_plot(evolution, ["WARM"]).curves) == 1


def test_pixels_that_turn_hot_between_programmes_are_new(tmp_path):
    shared = {"size": (200, 200), "seed": 5, "ngroups": 40, "unknown_bad": 1.0, "hot": 0.0}
    epochs, found = [], []
    for day, fraction in ((0.0, 0.0), (40.0, 0.0), (80.0, 0.01), (120.0, 0.01)):
        folder = tmp_path / str(day)
        folder.mkdir()
        made = simulate_rates(folder, 4, new_hot=fraction, day=day, **shared)
        evidence = gather(made.paths)
        found.append(made.excess > 8 * np.nanmedian(evidence.sigma))
        epochs.append(epoch_of(evidence))
    evolution = follow(epochs)
    assert np.allclose(np.diff(evolution.mjds), 40.0, atol=0.1)
    later = found[-1] & (evidence.good > 1)
    hot = evolution.states["HOT"][-1] | evolution.states["WARM"][-1]
    assert hot[later].mean() > 0.95
    assert not evolution.states["HOT"][1][later].any()
    assert "RC" not in evolution.states  # rates alone do not tell


@pytest.mark.parametrize(
    ("epochs", "message"),
    [
        (one([True]), "1 epoch: evolution needs at least 2"),
        ([Epoch(1.0, {}), Epoch(2.0, {})], "the epochs hold no class"),
        (
            [Epoch(1.0, {"HOT": np.zeros((3, 4), bool)}), Epoch(2.0, {"HOT": np.zeros((4, 4))})],
            r"MJD 2 has planes of \(4, 4\), that of 1 of \(3, 4\)",
        ),
        ([*one([True]), Epoch(np.nan, {"HOT": np.array([[True]])})], "an epoch has mjd = nan"),
    ],
)
def test_epochs_that_do_not_belong_together_are_refused(epochs, message):
    with pytest.raises(InputError, match=message):
        follow(epochs)


def test_unknown_classes_and_epochs_are_refused():
    evolution = follow(one([True, True]))
    with pytest.raises(InputError, match=r"class 'WARM': was not followed; choose from HOT"):
        evolution.counts("WARM")
    with pytest.raises(InputError, match="epoch 2: there are 0 to 1"):
        evolution.new("HOT", 2)


def test_a_longer_memory_keeps_a_pixel_bad_for_longer():
    seen = one([True, True, False], 90)
    assert states(follow(seen, EvolutionParams(half_life=2000.0)))[-1] is True
    assert states(follow(seen))[-1] is False
