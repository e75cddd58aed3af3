"""Leases: silence, late results, stopped coordinators, preemptions, clocks that jump."""

import pytest

from prunus.sweep.leases import Lease, LeaseExpiredError, Leases, token_of


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def one(tmp_path):
    clock = Clock()
    leases = Leases(silent_limit_seconds=3, running_limit_seconds=10, clock=clock)
    lease = Lease.grant("t", tmp_path / "t" / "lease")
    leases.add(lease)
    return clock, leases, lease


def pass_time(clock, leases, seconds):
    found = []
    for _ in range(round(seconds * 2)):
        clock.now += 0.5
        found += leases.overdue()
    return found


def test_nobody_is_silent_before_the_first_word(one):
    clock, leases, _ = one
    assert pass_time(clock, leases, 100) == []


def test_silence_ends_a_lease_and_a_word_renews_it(one):
    clock, leases, lease = one
    leases.hear(lease.token)
    assert pass_time(clock, leases, 3) == []
    leases.hear(lease.token)
    assert pass_time(clock, leases, 3) == []
    assert pass_time(clock, leases, 1)[0] == (lease, "LeaseExpired")


def test_a_trial_that_talks_for_too_long_meets_its_time_limit(one):
    clock, leases, lease = one
    found = []
    for _ in range(5):
        leases.hear(lease.token)
        found += pass_time(clock, leases, 2.5)
    assert found[0] == (lease, "TimeLimit")


def test_a_jump_of_the_clock_counts_as_a_second_at_most(one):
    clock, leases, lease = one
    leases.hear(lease.token)
    leases.overdue()
    clock.now += 1e6
    assert leases.overdue() == []
    clock.now -= 2e6
    assert leases.overdue() == []


def test_a_preempted_trial_may_wait_as_long_as_it_takes(one):
    clock, leases, lease = one
    leases.hear(lease.token)
    leases.pause(lease.token)
    assert pass_time(clock, leases, 100) == []


def test_the_second_lease_ends_the_first(tmp_path):
    first = Lease.grant("t", tmp_path / "t" / "lease")
    first.check()
    second = Lease.grant("t", tmp_path / "t" / "lease")
    with pytest.raises(LeaseExpiredError):
        first.check()
    second.check()
    assert token_of(second.file) == second.token
    assert not second.stop_asked
    second.ask_to_stop()
    assert second.stop_asked
    assert not first.stop_asked
    second.check()
