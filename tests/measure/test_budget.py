import pytest

from prunus.channels.latency_target import HIGHEST_RATE, MOST_TRIED, NEAR_ENOUGH, find_rate
from prunus.errors import InputError


@pytest.mark.parametrize("wanted", [0.5, 1.0, 3.0, 9.0])
@pytest.mark.parametrize("power", [1, 2, 3])
def test_the_latency_found_is_just_below_the_one_asked_for(wanted: float, power: int) -> None:
    tried = []

    def latency_of(rate: float) -> float:
        tried.append(rate)
        return 0.1 + 9.9 * (1 - rate) ** power

    rate = find_rate(latency_of, 10.0, wanted, 0.1)
    assert len(tried) <= MOST_TRIED
    assert latency_of(rate) <= wanted
    assert latency_of(rate) >= wanted * (1 - NEAR_ENOUGH) or latency_of(max(0.0, rate - 0.02)) > wanted


def test_where_latency_falls_in_steps_the_lower_side_is_taken() -> None:
    assert find_rate(lambda rate: 10.0 if rate < 0.6 else 2.0, 10.0, 5.0, 2.0) == pytest.approx(0.6, abs=0.02)


def test_what_only_the_highest_rate_reaches_is_had_at_it() -> None:
    assert find_rate(lambda _: 4.0, 4.0, 1.0, 1.01) == HIGHEST_RATE


def test_targets_that_cannot_be_had_tell_what_can() -> None:
    with pytest.raises(InputError, match=r"latency_ms = 1 cannot be reached.*nearest is 2\.5 ms.*latency_ms = 2\.55"):
        find_rate(lambda _: 3.0, 10.0, 1.0, 2.5)
    with pytest.raises(InputError, match=r"latency_ms = 12 needs no pruning.*takes 10 ms"):
        find_rate(lambda _: 3.0, 10.0, 12.0, 2.5)
