"""The outbox and the attempts at emptying it: nothing lost, nothing twice, whatever happens in between."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from datetime import time as time_of_day
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadscore_dagster.core.alerts import outbox
from leadscore_dagster.core.alerts.delivery import PATIENCE, Delivery, attempt_key, deliver, due_together
from leadscore_dagster.core.alerts.message import Message
from leadscore_dagster.core.alerts.routing import AlertSettings, QuietHours
from leadscore_dagster_tests.alerts.samples import NOON, entry

MINUTE = timedelta(minutes=1)
TWO = AlertSettings({"ERROR": ("json://a", "json://b"), "WARN": ("json://w",)}, retry_after=(MINUTE, MINUTE))


class Receiver:
    """Takes what it is sent, but for the addresses it refuses."""

    def __init__(self, refuses: tuple[str, ...] = ()) -> None:
        self.refuses, self.took = set(refuses), list[tuple[str, str]]()

    def __call__(self, url: str, message: Message) -> str | None:
        if url in self.refuses:
            return "HTTP 500"
        self.took.append((url, message.title))
        return None


def _states(folder: Path) -> list[int]:
    return [len(outbox.entries(folder, state)) for state in outbox.STATES]


# ---- the outbox


def test_a_message_is_taken_in_once_whatever_became_of_it(tmp_path: Path) -> None:
    one = entry()
    assert outbox.add(tmp_path, one)
    assert not outbox.add(tmp_path, one)
    for origin, destination in (("pending", "sent"), ("sent", "dead")):
        outbox.move(tmp_path, one, origin, destination)  # type: ignore[arg-type]
        assert not outbox.add(tmp_path, one)
    assert outbox.entries(tmp_path, "dead") == [one]


def test_a_file_that_cannot_be_read_is_put_aside_and_holds_up_nothing(tmp_path: Path) -> None:
    outbox.add(tmp_path, entry())
    for name, content in (("broken", "{"), ("foreign", json.dumps({"message": {}}))):
        (tmp_path / "pending" / f"{name}.json").write_text(content)
    assert len(outbox.entries(tmp_path, "pending")) == 1
    assert outbox.unreadable(tmp_path) == 2
    assert deliver(tmp_path, TWO, None, NOON, Receiver()).sent


def test_delivered_messages_are_forgotten_in_time_and_dead_letters_never(tmp_path: Path) -> None:
    for name, state in (("a", "sent"), ("b", "dead")):
        outbox.add(tmp_path, entry(name))
        outbox.move(tmp_path, entry(name), "pending", state)  # type: ignore[arg-type]
    assert outbox.prune(tmp_path, NOON) == 0
    assert outbox.prune(tmp_path, NOON + MINUTE) == 1
    assert _states(tmp_path) == [0, 0, 1]


def test_what_is_kept_for_an_address_is_forgotten_in_time_and_what_only_waits_is_not(tmp_path: Path) -> None:
    for name, place in (("a", "WARN"), ("b", "ERROR")):
        outbox.add(tmp_path, entry(name, place=place))
    assert outbox.prune(tmp_path, NOON, ["WARN"]) == 0
    assert outbox.prune(tmp_path, NOON + MINUTE, ["WARN"]) == 1
    assert [one.message.place for one in outbox.entries(tmp_path, "pending")] == ["ERROR"]


# ---- attempts


def test_only_what_is_due_is_sent_and_what_belongs_together_goes_together(tmp_path: Path) -> None:
    outbox.add(tmp_path, entry("now"))
    outbox.add(tmp_path, entry("too"))
    outbox.add(tmp_path, entry("other", group="bank"))
    outbox.add(tmp_path, entry("held", place="WARN", not_before=NOON + MINUTE))
    receiver = Receiver()
    done = deliver(tmp_path, TWO, None, NOON, receiver)
    assert len(done.sent) == 3
    assert sorted(title for url, title in receiver.took if url == "json://a") == [
        "ERROR toy: 2 messages, 2 failed checks",
        "title other",
    ]
    assert _states(tmp_path) == [1, 3, 0]


def test_messages_that_were_not_asked_for_are_left_alone(tmp_path: Path) -> None:
    for name in ("a", "b"):
        outbox.add(tmp_path, entry(name))
    assert deliver(tmp_path, TWO, [entry("a").id], NOON, Receiver()).sent == (entry("a").id,)
    assert deliver(tmp_path, TWO, [entry("a").id], NOON, Receiver()).sent == ()
    assert _states(tmp_path) == [1, 1, 0]


def test_an_address_that_refuses_is_tried_again_after_each_wait_and_then_given_up(tmp_path: Path) -> None:
    outbox.add(tmp_path, entry())
    receiver = Receiver(refuses=("json://b",))
    done = [deliver(tmp_path, TWO, None, NOON + minute * MINUTE, receiver) for minute in (0, 0.5, 1, 2)]
    assert [len(one.waiting) for one in done] == [1, 0, 1, 0]
    assert done[0].problems == ("error-2-json: HTTP 500",)
    assert len(done[3].dead) == 1
    assert receiver.took == [("json://a", "title one")]
    (dead,) = outbox.entries(tmp_path, "dead")
    assert (dead.delivered, dict(dead.problems)) == (("error-1-json",), {"error-2-json": "HTTP 500"})
    receiver.refuses.clear()
    assert outbox.revive(tmp_path, NOON) == [dead.id]
    deliver(tmp_path, TWO, None, NOON, receiver)
    assert receiver.took == [("json://a", "title one"), ("json://b", "title one")]


def test_a_message_without_an_address_is_neither_sent_nor_tried_nor_given_up(tmp_path: Path) -> None:
    outbox.add(tmp_path, entry())
    nobody = AlertSettings(retry_after=())
    for minute in range(3):
        done = deliver(tmp_path, nobody, None, NOON + minute * MINUTE, Receiver())
        assert (done.sent, done.dead, done.unaddressed) == ((), (), (entry().id,))
    assert outbox.entries(tmp_path, "pending") == [entry()]
    assert deliver(tmp_path, TWO, None, NOON + 3 * MINUTE, Receiver()).sent == (entry().id,)


def test_quiet_hours_hold_every_attempt_but_one_that_somebody_asks_for(tmp_path: Path) -> None:
    quiet = AlertSettings(
        TWO.addresses, QuietHours(time_of_day(12, 1), time_of_day(18), ZoneInfo("UTC")), retry_after=(MINUTE,)
    )
    outbox.add(tmp_path, entry(place="WARN"))
    down, up = Receiver(refuses=("json://w",)), Receiver()
    assert deliver(tmp_path, quiet, None, NOON, down).waiting
    for minute in (1, 2, 100, 359):
        assert deliver(tmp_path, quiet, None, NOON + minute * MINUTE, up) == Delivery()
    assert len(deliver(tmp_path, quiet, None, NOON + 360 * MINUTE, up).sent) == 1
    late = entry("late", place="WARN")
    outbox.add(tmp_path, late)
    assert deliver(tmp_path, quiet, None, NOON + MINUTE, up).waiting == (late.id,)
    assert outbox.entries(tmp_path, "pending")[0].attempts == 0
    outbox.move(tmp_path, late, "pending", "dead")
    outbox.revive(tmp_path, NOON + MINUTE)
    assert deliver(tmp_path, quiet, None, NOON + MINUTE, up, at_once=True).sent == (late.id,)


def test_without_waits_a_refusal_is_final(tmp_path: Path) -> None:
    outbox.add(tmp_path, entry())
    once = AlertSettings({"ERROR": ("json://b",)}, retry_after=())
    assert deliver(tmp_path, once, None, NOON, Receiver(refuses=("json://b",))).dead


def test_a_sender_that_raises_costs_an_attempt_and_no_message(tmp_path: Path) -> None:
    outbox.add(tmp_path, entry())

    def broken(url: str, message: Message) -> str | None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        deliver(tmp_path, TWO, None, NOON, broken)
    assert deliver(tmp_path, TWO, None, NOON, Receiver()).sent == ()  # its wait has begun
    assert deliver(tmp_path, TWO, None, NOON + MINUTE, Receiver()).sent


def test_an_attempt_has_one_name_until_it_is_made_or_too_long_in_coming(tmp_path: Path) -> None:
    one = entry()
    first = attempt_key([one], NOON)
    assert attempt_key([one], NOON + PATIENCE / 2) == first
    assert attempt_key([one], NOON + PATIENCE) != first
    assert attempt_key([entry(attempts=1)], NOON) != first
    assert due_together([entry(not_before=NOON + MINUTE)], NOON) == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "replay", "deliver", "refuse a", "refuse b", "heal", "revive"]), st.integers(0, 4)
        ),
        max_size=30,
    )
)
def test_in_any_order_of_events_each_address_gets_each_message_once(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, int]]
) -> None:
    folder, receiver, now = tmp_path_factory.mktemp("outbox"), Receiver(), NOON
    apart = AlertSettings(TWO.addresses, retry_after=TWO.retry_after)
    added = set()
    for event, number in events:
        now += MINUTE
        if event in ("add", "replay"):
            outbox.add(folder, entry(f"m{number}", group=f"g{number}"))
            added.add(f"m{number}")
        elif event == "deliver":
            deliver(folder, apart, None, now, receiver)
        elif event == "revive":
            outbox.revive(folder, now)
        elif event == "heal":
            receiver.refuses.clear()
        else:
            receiver.refuses.add(f"json://{event[-1]}")
    receiver.refuses.clear()
    outbox.revive(folder, now)
    deliver(folder, apart, None, now + timedelta(hours=1), receiver)
    assert sorted(receiver.took) == sorted((f"json://{a}", f"title {name}") for a in "ab" for name in added)
    assert _states(folder) == [0, len(added), 0]


# ---- processes


def _in_process(work: Callable[..., None], *arguments: object) -> multiprocessing.Process:
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    return process


def _deliver_slowly(folder: Path, log: Path) -> None:
    def slow(url: str, message: Message) -> str | None:
        with log.open("a") as file:
            file.write(f"{url} {message.title}\n")
        time.sleep(0.2)
        return None

    at_once = AlertSettings(TWO.addresses, retry_after=(timedelta(0),))  # so that only the lock holds the second back
    deliver(folder, at_once, None, NOON, slow)


def test_two_processes_at_once_send_nothing_twice(tmp_path: Path) -> None:
    outbox.add(tmp_path, entry())
    log = tmp_path / "log"
    for process in [_in_process(_deliver_slowly, tmp_path, log) for _ in range(3)]:
        process.join(20)
    assert sorted(log.read_text().splitlines()) == ["json://a title one", "json://b title one"]


def test_a_killed_delivery_lets_go_and_what_it_had_delivered_is_not_sent_again(tmp_path: Path) -> None:
    outbox.add(tmp_path, entry())
    log = tmp_path / "log"
    process = _in_process(_deliver_slowly, tmp_path, log)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not (log.is_file() and log.read_text().count("\n") == 2):
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)  # address a is noted, b is being sent
    process.join(10)
    receiver = Receiver()
    deliver(tmp_path, TWO, None, NOON + MINUTE, receiver)
    assert receiver.took == [("json://b", "title one")]  # once more: whether b took it nobody knows
    assert _states(tmp_path) == [0, 1, 0]
