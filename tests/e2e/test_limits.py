"""Limits as callers meet them: windows, slots, headers, shadow; the same on however many TMMs."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from gateway_kit import message
from limits_kit import Limited, wait_for

from bigip_sm.lab.aws.runtime import model_error, throttled, unavailable

OK = "200"
MANY = "429 too-many-requests"
AT_ONCE = "429 too-many-at-once"


# requests in a window


def test_requests_of_a_caller_in_a_window(limited: Limited) -> None:
    assert limited.verdicts("alice", "/each", 5) == [OK, OK, OK, MANY, MANY]
    assert limited.verdicts("bob", "/each", 1) == [OK], "another caller has a count of his own"
    assert limited.verdicts("alice", "/unlimited", 3) == [OK] * 3, "another route"
    limited.next_minute()
    assert limited.verdicts("alice", "/each", 4) == [OK, OK, OK, MANY]


def test_a_refused_request_does_not_reach_aws(limited: Limited) -> None:
    limited.verdicts("alice", "/each", 3)
    before = len(limited.seen())
    assert limited.verdicts("alice", "/each", 2) == [MANY, MANY]
    assert len(limited.seen()) == before


def test_a_limit_holds_on_one_connection_too(limited: Limited) -> None:
    with limited.client("alice") as client:
        for _ in range(3):
            assert client.request("/each", b"{}").status == 200
        assert client.request("/each", b"").verdict == MANY, "without a body the connection stays"
        assert client.request("/unlimited", b"{}").status == 200
        assert client.request("/unlimited", b"{}").headers.keys().isdisjoint({"ratelimit", "retry-after"})


def test_callers_of_a_group_are_counted_together(limited: Limited) -> None:
    assert limited.verdicts("alice", "/grouped", 2) == [OK, OK]
    assert limited.verdicts("bob", "/grouped", 3) == [OK, OK, MANY]
    assert limited.verdicts("alice", "/grouped", 1) == [MANY]
    assert limited.verdicts("carol", "/grouped", 1) == [OK], "another group"
    assert limited.verdicts("erin", "/grouped", 5) == [*[OK] * 4, MANY], "in no group: counted by herself"


def test_callers_of_a_route_are_counted_together(limited: Limited) -> None:
    assert [limited.ask_as(f"user-{number}", "/together").verdict for number in range(6)] == [*[OK] * 5, MANY]


def test_of_several_limits_the_first_that_is_reached_refuses(limited: Limited) -> None:
    assert limited.verdicts("alice", "/several", 3) == [OK, OK, MANY]
    answer = limited.ask_as("alice", "/several")
    assert answer.headers["ratelimit"].startswith('"requests-principal-minute";r=0;t=')
    assert limited.verdicts("bob", "/several", 2) == [OK, MANY]
    answer = limited.ask_as("carol", "/several")
    assert answer.headers["ratelimit"].startswith('"requests-route-hour";r=0;t=')


def test_no_request_too_many_on_several_tmms(limited: Limited) -> None:
    with ThreadPoolExecutor(12) as pool:
        verdicts = list(pool.map(lambda number: limited.ask_as(f"user-{number}", "/together").verdict, range(24)))
    assert sorted(verdicts) == [*[OK] * 5, *[MANY] * 19]
    units = {seen.values("X-Amzn-SageMaker-Inference-Id")[0][:2] for seen in limited.seen()[-5:]}
    assert len(units) > 1, "more than one TMM took part"


def test_a_caller_who_is_not_let_in_is_not_counted(limited: Limited) -> None:
    assert limited.verdicts("mallory", "/grouped", 6) == ["403 not-allowed"] * 6
    assert limited.verdicts("alice", "/grouped", 4) == [OK] * 4


# what callers are told


def test_headers_of_the_ietf(limited: Limited) -> None:
    answer = limited.ask_as("alice", "/each")
    assert answer.headers["ratelimit-policy"] == '"requests-principal-minute";q=3;w=60'
    assert re.fullmatch(r'"requests-principal-minute";r=2;t=[1-9][0-9]?', answer.headers["ratelimit"])
    limited.verdicts("alice", "/each", 2)
    answer = limited.ask_as("alice", "/each")
    assert answer.verdict == MANY
    left = answer.headers["retry-after"]
    assert 1 <= int(left) <= 60
    assert answer.headers["ratelimit-policy"] == '"requests-principal-minute";q=3;w=60'
    assert answer.headers["ratelimit"] == f'"requests-principal-minute";r=0;t={left}'
    assert b'"code":"too-many-requests"' in answer.body
    assert answer.headers["x-request-id"].encode() in answer.body


def test_headers_of_several_limits_of_the_ietf(limited: Limited) -> None:
    answer = limited.ask_as("alice", "/several")
    policy = '"requests-principal-minute";q=2;w=60, "requests-route-hour";q=3;w=3600'
    assert answer.headers["ratelimit-policy"] == policy
    assert re.fullmatch(
        r'"requests-principal-minute";r=1;t=[0-9]+, "requests-route-hour";r=2;t=[0-9]+', answer.headers["ratelimit"]
    )


def test_headers_of_openai_on_its_routes(limited: Limited) -> None:
    body = b'{"model": "m", "messages": []}'
    for left in (2, 1, 0):
        answer = limited.ask_as("alice", "/talk", body)
        assert answer.status == 200
        assert answer.headers["x-ratelimit-limit-requests"] == "3", "the tightest of two limits"
        assert answer.headers["x-ratelimit-remaining-requests"] == str(left)
        assert re.fullmatch(r"[1-9][0-9]?s", answer.headers["x-ratelimit-reset-requests"])
        assert "ratelimit" not in answer.headers
    answer = limited.ask_as("alice", "/talk", body)
    assert answer.verdict == MANY
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert answer.headers["x-ratelimit-reset-requests"] == answer.headers["retry-after"] + "s"


def test_a_shadow_limit_only_records_and_once_in_a_window(limited: Limited) -> None:
    before = len(limited.lab.log_lines)
    for _ in range(5):
        answer = limited.ask_as("alice", "/shadow")
        assert answer.status == 200
        assert "ratelimit" not in answer.headers
    lines = [line for line in list(limited.lab.log_lines)[before:] if "shadow" in line]
    assert len(lines) == 1
    assert "requests-principal-minute" in lines[0]
    assert "alice" not in lines[0]


# at one time


def at_once(limited: Limited, path: str, number: int, seconds: float) -> list[str]:
    """What that many requests of alice's get that are all under way at one time."""
    for _ in range(number):
        limited.slow("echo-v1", seconds)
    with ThreadPoolExecutor(number) as pool:
        found = list(pool.map(lambda _: limited.ask_as("alice", path).verdict, range(number)))
    limited.lab.cloud.runtime.faults.clear()
    return found


def test_requests_at_one_time(limited: Limited) -> None:
    assert sorted(at_once(limited, "/slots", 5, 1.0)) == [OK, OK, AT_ONCE, AT_ONCE, AT_ONCE]
    assert limited.verdicts("alice", "/slots", 4) == [OK] * 4, "an answer gives its place back"


def test_a_place_refused_says_when_to_try_again(limited: Limited) -> None:
    limited.slow("echo-v1", 1.0)
    limited.slow("echo-v1", 1.0)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(limited.ask_as, "alice", "/slots") for _ in range(2)]
        wait_for(lambda: not limited.waiting())
        answer = limited.ask_as("alice", "/slots")
        assert limited.ask_as("bob", "/slots").status == 200
        assert [one.result().status for one in waiting] == [200, 200]
    assert answer.verdict == AT_ONCE
    assert answer.headers["retry-after"] == "1"


def test_a_caller_who_hangs_up_gives_his_place_back(limited: Limited) -> None:
    for _ in range(3):
        limited.slow("echo-v1", 2.0)
        limited.slow("echo-v1", 2.0)
        clients = [limited.client("alice") for _ in range(2)]
        for client in clients:
            client.send(message("/slots", b"{}"))
        wait_for(lambda: not limited.waiting())
        assert limited.ask_as("alice", "/slots").verdict == AT_ONCE
        for client in clients:
            client.socket.close()
        wait_for(lambda: limited.ask_as("alice", "/slots").status == 200)
    limited.lab.cloud.runtime.faults.clear()


def test_a_place_that_nobody_gives_back_is_free_after_the_routes_time(limited: Limited) -> None:
    """The count of a TMM that died with its connections, put there by hand."""
    plane = limited.lab.data_plane

    async def taken() -> None:
        turn = int(time.time() + limited.lab.clock_offset) // 30
        (key,) = [key for key in plane.tables._tables[None] if key.endswith(f" {turn}")]
        plane.tables.increment(None, key, 2, touch=False)

    limited.lab.clock_offset += 30 - time.time() % 30 + 0.05
    assert limited.ask_as("alice", "/slots").status == 200
    limited.lab.call(taken())
    assert limited.ask_as("alice", "/slots").verdict == AT_ONCE
    limited.lab.clock_offset += 31
    assert limited.ask_as("alice", "/slots").verdict == AT_ONCE, "the turn before counts, too"
    limited.lab.clock_offset += 30
    assert limited.ask_as("alice", "/slots").status == 200


def test_a_refusal_after_the_place_was_taken_gives_it_back(limited: Limited) -> None:
    limited.lab.clock_offset += 7200
    try:
        assert limited.verdicts("alice", "/slots", 4) == ["503 credentials-expired"] * 4
    finally:
        limited.lab.clock_offset -= 7200


def test_a_stream_keeps_its_place_until_its_connection_ends(limited: Limited) -> None:
    chat = limited.lab.chat("chat-v1")
    release = threading.Event()
    before = chat.pause

    async def held(_: int) -> None:
        import asyncio

        while not release.is_set():
            await asyncio.sleep(0.02)

    chat.pause = held
    try:
        body = b'{"model": "m", "messages": [], "stream": true}'
        reached = len(limited.seen())
        with limited.client("alice") as client:
            client.send(message("/streams", body))
            wait_for(lambda: len(limited.seen()) == reached + 1)
            assert limited.ask_as("alice", "/streams", body).verdict == AT_ONCE
            release.set()
            assert client.receive().status == 200
        wait_for(lambda: limited.ask_as("alice", "/streams", body).status == 200)
    finally:
        release.set()
        chat.pause = before


def test_a_stream_whose_caller_hangs_up_gives_its_place_back(limited: Limited) -> None:
    chat = limited.lab.chat("chat-v1")
    before = chat.pause
    from limits_kit import forever

    body = b'{"model": "m", "messages": [], "stream": true}'
    try:
        chat.pause = forever
        reached = len(limited.seen())
        with limited.client("alice") as client:
            client.send(message("/streams", body))
            wait_for(lambda: len(limited.seen()) == reached + 1)
            assert limited.ask_as("alice", "/streams", body).verdict == AT_ONCE
        chat.pause = before
        wait_for(lambda: limited.ask_as("alice", "/streams", body).status == 200)
    finally:
        chat.pause = before


# the model's own bounds


def region(limited: Limited) -> str:
    """Where the last request was signed for."""
    return limited.seen()[-1].values("Authorization")[0].decode().split("/")[2]


def test_load_is_shed_for_all_routes_of_an_upstream(limited: Limited) -> None:
    limited.slow("narrow-v1", 1.0)
    limited.slow("narrow-v1", 1.0)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(limited.ask_as, subject, "/narrow") for subject in ("alice", "bob")]
        wait_for(lambda: not limited.waiting())
        answer = limited.ask_as("carol", "/strait")
        assert [one.result().status for one in waiting] == [200, 200]
    assert answer.verdict == "503 overloaded"
    assert answer.headers["retry-after"] == "1"
    assert limited.ask_as("carol", "/strait").status == 200


def fail(limited: Limited, times: int) -> list[str]:
    """Requests that SageMaker answers 503."""
    limited.lab.cloud.runtime.faults.extend(unavailable() for _ in range(times))
    return limited.verdicts("alice", "/fragile", times)


def test_a_region_that_fails_is_skipped_for_a_while(limited: Limited) -> None:
    assert limited.verdicts("alice", "/fragile", 1) == [OK]
    assert region(limited) == "eu-central-1"
    assert fail(limited, 3) == ["503"] * 3
    assert limited.verdicts("bob", "/fragile", 4) == [OK] * 4
    assert {seen.sni for seen in limited.seen()[-4:]} == {"runtime.sagemaker.us-east-1.amazonaws.com"}
    assert "eu-central-1 of upstream fragile is skipped for 20 s" in limited.lab.log_lines[-1]
    limited.lab.clock_offset += 21
    assert limited.verdicts("alice", "/fragile", 1) == [OK]
    assert region(limited) == "eu-central-1"
    assert fail(limited, 1) == ["503"]
    assert limited.verdicts("alice", "/fragile", 1) == [OK]
    assert region(limited) == "us-east-1", "one more failure in the window is enough"


def test_without_any_region_the_answer_says_how_long(limited: Limited) -> None:
    fail(limited, 6)
    before = len(limited.seen())
    answer = limited.ask_as("alice", "/fragile")
    assert answer.verdict == "503 circuit-open"
    assert 1 <= int(answer.headers["retry-after"]) <= 20
    assert len(limited.seen()) == before
    limited.lab.clock_offset += 21
    assert limited.verdicts("alice", "/fragile", 1) == [OK]


def test_errors_of_callers_and_models_do_not_open_a_circuit(limited: Limited) -> None:
    runtime = limited.lab.cloud.runtime
    for fault in (model_error(400), model_error(500), throttled()) * 3:
        runtime.faults.append(fault)
        assert limited.ask_as("alice", "/fragile").status in (400, 424)
    assert limited.verdicts("alice", "/fragile", 1) == [OK]
    assert region(limited) == "eu-central-1"


def test_a_region_that_cannot_be_reached_is_skipped(limited: Limited) -> None:
    host = ("vpce-lost.runtime.sagemaker.eu-central-1.vpce.amazonaws.com", 443)
    port = limited.lab.network.resolve(*host)[1]
    limited.lab.network.withdraw(*host)
    try:
        assert limited.verdicts("alice", "/lost", 3) == [OK] * 3, "each after a connection that could not be made"
    finally:
        limited.lab.network.publish(*host, port)
    assert "eu-central-1 of upstream lost is skipped for 20 s" in limited.lab.log_lines[-1]
    assert limited.verdicts("alice", "/lost", 1) == [OK]
    assert region(limited) == "us-east-1", "although the first region could be reached again"
    limited.lab.clock_offset += 21
    assert limited.verdicts("alice", "/lost", 1) == [OK]
    assert region(limited) == "eu-central-1"


# what it costs


@pytest.mark.parametrize(
    ("path", "operations"),
    [
        ("/unlimited", {"table": 0, "class": 4}),
        ("/each", {"table": 2, "class": 5}),
        ("/slots", {"table": 4, "class": 5}),
        ("/narrow", {"table": 4, "class": 5}),
        ("/fragile", {"table": 1, "class": 4}),
    ],
)
def test_cost_of_a_limit(limited: Limited, path: str, operations: dict[str, int]) -> None:
    with limited.client("alice") as client:
        assert client.request(path, b"{}").status == 200
        with limited.counted() as counters:
            assert client.request(path, b"{}").status == 200
            assert {name: counters.get(name, 0) for name in operations} == operations
