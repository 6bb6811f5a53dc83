"""Who is let in: host names, other websites, sizes, rates, passwords, tokens and roles, on a real server."""

from __future__ import annotations

import base64
import http.client
import socket
from collections import Counter
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlencode

import cv2
import httpx
import numpy as np
import pytest

from maskinfer.control.settings.types import PageSettings
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.web.guard.access import IDLE_S, Access
from maskinfer.control.web.guard.brake import Brake, login_brake
from maskinfer.control.web.guard.shield import is_known_host
from maskinfer.control.web.login import inner_path
from maskinfer.control.web.serve import open_page
from maskinfer.engine.errors import RequestError
from tests.control.web.conftest import ACCOUNTS, CAMERA, PASSWORDS, SECRET_URL, TOKEN, Served, earlier, settings_of
from tests.helpers.recorded_room import RecordedRoom, come, demo

HTML = {"Accept": "text/html"}


def csrf_of(page: httpx.Response) -> str:
    return page.text.split('name="csrf" content="')[1].split('"')[0]


def log_in(client: httpx.Client, name: str, password: str | None = None) -> httpx.Response:
    form = {"name": name, "password": PASSWORDS.get(name, "") if password is None else password}
    return client.post("/login", data={**form, "csrf": csrf_of(client.get("/login"))}, headers=HTML)


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("127.0.0.1:8600", True),
        ("192.168.1.9", True),
        ("[::1]:8600", True),
        ("localhost:8600", True),
        ("LOCALHOST.", True),
        ("watch.example.org", True),
        ("watch.example.org.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost:x", False),
        ("", False),
    ],
)
def test_the_page_is_known_by_its_own_names_and_by_addresses_in_digits(host: str, is_known: bool) -> None:
    assert is_known_host(host, ["localhost", "watch.example.org"]) is is_known


def test_a_name_that_is_led_to_this_machine_is_refused(served: Served) -> None:
    with served.client() as client:
        answer = client.get("/v1/visits", headers={"Host": "evil.example"})
        assert answer.status_code == 421
        assert "hosts of [page]" in answer.json()["error"]
        served.room.settings = replace(served.room.settings, page=PageSettings(hosts=("watch.example.org",)))
        assert client.get("/v1/visits", headers={"Host": "watch.example.org"}).status_code == 200


def test_every_answer_has_the_headers_that_keep_browsers_in_check(served: Served) -> None:
    with served.client() as client:
        for path in ("/", "/static/style.css", "/v1/cameras", "/nowhere", "/login"):
            headers = client.get(path, headers=HTML).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert "server" not in headers


def test_another_website_changes_nothing(served: Served) -> None:
    path, data = f"/v1/cameras/pause?camera={CAMERA}", {"paused": True}
    with served.client() as client:
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site", "Origin": served.url.rstrip("/")},
        ):
            assert client.put(path, json=data, headers=headers).status_code == 403
        page = client.get("/")  # from now on with the cookie of a browser
        assert client.put(path, json=data).status_code == 403
        assert client.put(path, json=data, headers={"X-CSRF-Token": "0" * 64}).status_code == 403
        assert served.room.cameras()[0].state == "running"
        assert client.put(path, json=data, headers={"X-CSRF-Token": csrf_of(page)}).status_code == 200
        assert served.room.cameras()[0].state == "paused"


def test_a_program_on_this_machine_needs_nothing_where_there_are_no_accounts(served: Served) -> None:
    assert httpx.put(f"{served.url}v1/cameras/pause?camera={CAMERA}", json={"paused": True}).status_code == 200


def test_bodies_that_are_too_large_are_refused_whether_they_say_so_or_not(served: Served) -> None:
    with served.client() as client:
        answer = client.put(f"/v1/cameras/zones?camera={CAMERA}", content=b"x" * 1_000_001)
        assert answer.status_code == 413
        assert "at most 1 MB" in answer.json()["error"]

        def drops() -> object:
            for _ in range(20):
                yield b"x" * 100_000

        sent = client.put(f"/v1/cameras/zones?camera={CAMERA}", content=drops())  # type: ignore[arg-type]
        assert sent.status_code == 413
        assert client.get("/v1/cameras").status_code == 200


def test_without_logging_in_nothing_is_seen(served: Served) -> None:
    come(served.store, demo(), CAMERA, earlier(), "without_mask", number=1)
    served.store.flush()
    (stored,) = served.store.visits(VisitQuery())
    served.with_accounts()
    with served.client() as client:
        for path in ("/", "/today", "/visits", "/report", "/cameras", "/cameras/zones?camera=x"):
            answer = client.get(path, headers=HTML)
            assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/login")
        for path in (
            *("/v1/cameras", "/v1/visits", "/v1/report", "/v1/events", "/metrics", "/v1/openapi.json", "/live/now"),
            "/live/pictures",
            *(f"/live.jpg?camera={CAMERA}", f"/live.mjpeg?camera={CAMERA}", f"/cameras/picture.jpg?camera={CAMERA}"),
            *(f"/pictures/{stored.pictures[0].id}", f"/visits/{stored.visit.id}", "/recordings/1"),
        ):
            answer = client.get(path)
            assert (path, answer.status_code) == (path, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert client.post("/v1/images", content=b"x", headers={"Content-Type": "image/png"}).status_code == 401
        for path in ("/healthz", "/readyz", "/static/style.css", "/login"):
            assert client.get(path).status_code == 200


def test_logging_in_and_out(served: Served) -> None:
    served.with_accounts()
    with served.client() as client:
        before = client.get("/visits?label=with_mask", headers=HTML)
        assert before.headers["location"] == "/login?next=%2Fvisits%3Flabel%3Dwith_mask"
        assert log_in(client, "ana", "not the password").status_code == 403
        assert log_in(client, "nobody", "not the password").status_code == 403
        anonymous = client.cookies["maskinfer"]
        cookie = log_in(client, "ana").headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert client.cookies["maskinfer"] != anonymous, "whoever gave the browser its session would be logged in too"
        page = client.get("/")
        assert page.status_code == 200
        old = client.cookies["maskinfer"]
        assert client.post("/logout", data={"csrf": "wrong"}).status_code == 403
        assert client.post("/logout", data={"csrf": csrf_of(page)}).status_code == 303
        assert httpx.get(f"{served.url}v1/cameras", cookies={"maskinfer": old}).status_code == 401


def test_cookies_are_sent_by_https_alone_where_the_settings_say_so(served: Served) -> None:
    served.room.settings = replace(served.room.settings, page=PageSettings(secure=True))
    answer = httpx.get(served.url)
    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_a_server_with_https_before_it_is_believed_whom_it_speaks_for(served: Served) -> None:
    answer = httpx.get(served.url, headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"})
    assert "Secure" in answer.headers["set-cookie"]


def test_who_is_taken_out_of_the_settings_is_logged_out(served: Served) -> None:
    served.with_accounts()
    with served.client() as client:
        log_in(client, "gus")
        assert client.get("/v1/cameras").status_code == 200
        served.room.settings = replace(served.room.settings, accounts=ACCOUNTS[:1])
        assert client.get("/v1/cameras").status_code == 401


def test_a_session_ends_when_nobody_uses_it() -> None:
    now_s = [0.0]
    settings = replace(settings_of(), accounts=ACCOUNTS)
    access = Access(lambda: settings, clock_s=lambda: now_s[0])
    cookie = access.begin(ACCOUNTS[0])
    now_s[0] += IDLE_S - 1
    assert access.by_cookie(cookie) is not None
    now_s[0] += IDLE_S + 1
    assert access.by_cookie(cookie) is None


def test_programs_send_a_token_or_a_name_and_a_password(served: Served) -> None:
    served.with_accounts()
    url = f"{served.url}v1/cameras"
    assert httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert httpx.get(url, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert httpx.get(url, auth=("gus", PASSWORDS["gus"])).status_code == 200
    assert httpx.get(url, auth=("gus", PASSWORDS["ana"])).status_code == 401
    assert httpx.get(url, headers={"Authorization": "Basic %%%"}).status_code == 401


def test_roles(served: Served) -> None:
    come(served.store, demo(), CAMERA, earlier(), "without_mask", number=1)
    served.store.flush()
    (stored,) = served.store.visits(VisitQuery())
    served.with_accounts()
    path = f"/pictures/{stored.pictures[0].id}"
    seen = {}
    for name in PASSWORDS:
        with served.client(auth=(name, PASSWORDS[name])) as client:
            served.room.looked.clear()
            live = client.get(f"/live.jpg?camera={CAMERA}")
            assert live.status_code == 200
            with client.stream("GET", "/live/pictures") as answer:
                next(answer.iter_raw())
            seen[name] = {
                "picture": client.get(path).content,
                "report": client.get("/v1/report?format=html").text.partition("data:image/jpeg;base64,")[2][:2000],
                "live": {blurred for _, blurred in served.room.looked},
                "snapshot": client.get(f"/cameras/picture.jpg?camera={CAMERA}").status_code,
                "recording": client.get("/recordings/none").status_code,
                "pause": client.put(f"/v1/cameras/pause?camera={CAMERA}", json={"paused": False}).status_code,
                "zones": client.put(f"/v1/cameras/zones?camera={CAMERA}", json={"zones": []}).status_code,
            }
    assert [seen[name]["live"] for name in PASSWORDS] == [{False}, {False}, {True}]
    assert seen["ana"]["picture"] == seen["gus"]["picture"] != seen["vic"]["picture"]
    assert seen["ana"]["report"] == seen["gus"]["report"] != seen["vic"]["report"] != ""
    assert [seen[name]["snapshot"] for name in PASSWORDS] == [200, 403, 403]
    assert [seen[name]["recording"] for name in PASSWORDS] == [404, 404, 403]
    assert [seen[name]["pause"] for name in PASSWORDS] == [200, 403, 403]
    assert [seen[name]["zones"] for name in PASSWORDS] == [200, 403, 403]
    clear, blurred = (
        cv2.imdecode(np.frombuffer(seen[name]["picture"], np.uint8), cv2.IMREAD_GRAYSCALE)  # type: ignore[arg-type]
        for name in ("ana", "vic")
    )
    assert cv2.Laplacian(blurred, cv2.CV_64F).var() < 0.1 * cv2.Laplacian(clear, cv2.CV_64F).var()


def test_ten_thousand_wrong_passwords(served: Served) -> None:
    """Few of them are looked at at all, and others can log in meanwhile and afterwards."""
    served.with_accounts()
    count, answers = 10_000, Counter[int]()
    with served.client() as client:
        page = client.get("/login")
        form = urlencode({"name": "ana", "password": "a wrong password", "csrf": csrf_of(page)})
        # As if a server with HTTPS named the address, which holds up nobody at another one.
        headers = {
            "X-Forwarded-For": "203.0.113.9",
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": f"maskinfer={client.cookies['maskinfer']}",
        }
    basic = {"Authorization": "Basic " + base64.b64encode(b"ana:a wrong password").decode()}
    tries = http.client.HTTPConnection(served.url.removeprefix("http://").rstrip("/"), timeout=60)
    with closing(tries):
        for number in range(count):
            if number % 10:  # the other door to the same accounts
                tries.request("GET", "/v1/cameras", headers={**basic, "X-Forwarded-For": "203.0.113.9"})
            else:
                tries.request("POST", "/login", form, headers)
            answer = tries.getresponse()
            answer.read()
            answers[answer.status] += 1
            if number == count // 2:
                with served.client() as other:
                    assert log_in(other, "ana").status_code == 303
        assert int(answer.headers["Retry-After"]) >= 1
    assert answers[403] + answers[401] < 60
    assert answers.total() == count
    with served.client() as other:
        assert log_in(other, "ana").status_code == 303


def test_the_brake_lets_ten_tries_pass_and_then_one_in_ten_seconds() -> None:
    now_s = [0.0]
    brake = login_brake(lambda: now_s[0])
    assert [brake.take("a") for _ in range(11)] == [0.0] * 10 + [pytest.approx(10.0)]
    assert brake.take("b") == 0.0
    now_s[0] += 10.1
    assert brake.take("a") == 0.0
    assert brake.take("a") > 0
    brake.give_back("a")
    assert brake.take("a") == 0.0


def test_all_addresses_together_are_braked_too_and_nobody_fills_the_memory() -> None:
    brake = login_brake(lambda: 0.0)
    assert sum(brake.take(str(i)) == 0 for i in range(1000)) == 60
    plain = Brake(1, 1, lambda: 0.0)
    for i in range(50_000):
        plain.take(str(i))
    assert len(plain._buckets) == 10_000


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:x", "/\n", ""]
)
def test_logging_in_leads_to_no_other_website(path: str) -> None:
    assert inner_path(path) == "/"


def test_an_address_that_others_reach_needs_an_account(served: Served) -> None:
    settings = replace(settings_of(), page=PageSettings(listen="0.0.0.0:0"))
    with (
        pytest.raises(RequestError, match=r"would ask for no password.*--hash-password.*HTTPS"),
        open_page(RecordedRoom(served.store, settings, demo())),
    ):
        pass
    room = RecordedRoom(served.store, replace(settings, accounts=ACCOUNTS), demo())
    with open_page(room) as url:
        address = url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{address}v1/cameras").status_code == 401
        room.settings = settings  # the accounts are taken out of the file: nobody is let in, rather than everybody
        assert httpx.get(f"{address}v1/cameras").status_code == 401


def test_a_port_that_is_taken_is_told(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = replace(settings_of(), page=PageSettings(listen=f"127.0.0.1:{port}"))
        with (
            pytest.raises(RequestError, match=rf"127\.0\.0\.1:{port} \(Address already in use\): another program"),
            open_page(RecordedRoom(served.store, settings, demo())),
        ):
            pass


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/site.py",
        "/pictures/..%2f..%2fstore.sqlite",
        "/pictures/../store.sqlite",
        "/recordings/..%2f..%2fstore.sqlite",
        "/visits/../../etc/passwd",
        "/visits/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/live.jpg?camera=../../etc/passwd",
        "/cameras/picture.jpg?camera=..",
    ],
)
def test_paths_lead_nowhere_else(served: Served, path: str) -> None:
    host, port = served.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:  # a client would tidy the path up
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.split(b" ")[1] in (b"404", b"400"), answer[:200]


def test_no_address_of_a_camera_leaves_the_server(served: Served) -> None:
    come(served.store, demo(), CAMERA, earlier(), "without_mask", number=1)
    served.store.flush()
    with served.client() as client:
        for path in (
            *("/", "/live/now", "/today", "/visits", "/report", "/cameras", f"/cameras/zones?camera={CAMERA}"),
            *("/v1/cameras", "/v1/visits", "/v1/report", "/v1/report?format=csv", "/v1/events", "/v1/openapi.json"),
            *("/metrics", "/readyz", f"/v1/cameras/zones?camera={SECRET_URL}"),
        ):
            text = client.get(path, headers=HTML).text
            assert not [part for part in ("hunter2", "10.0.0.7", "9f3a", "rtsp:") if part in text], path
