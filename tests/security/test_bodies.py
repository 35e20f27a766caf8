"""Bodies of requests that are no JSON, or more than that."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.security.bounds import bounded
from tests.serve.live import live
from unisono.serve.engine import ModelEngine

JSON = "application/json"
PATHS = [
    "../../etc/passwd",
    "/etc/passwd",
    "file:///etc/passwd",
    "/dev/zero",
    "http://169.254.169.254/",
    "C:\\boot.ini",
]

# what it is: (path, body, statuses that will do)
BODIES: dict[str, tuple[str, bytes, set[int]]] = {
    "nothing": ("intent", b"", {400}),
    "lists without end": ("intent", b"[" * 500_000, {400}),
    "objects without end": ("intent", b'{"text":' * 100_000, {400}),
    "a deep list where a text should be": ("intent", b'{"text":' + b"[" * 900 + b"]" * 900 + b"}", {400, 422}),
    "not a number": ("size", b'{"table": {"age": NaN}}', {400}),
    "endless": ("size", b'{"table": {"age": -Infinity}}', {400}),
    "beyond all floats": ("size", b'{"table": {"age": 1e999}}', {422}),
    "a number of 100,000 digits": ("size", b'{"table": {"age": ' + b"9" * 100_000 + b"}}", {400, 422}),
    "an option of 100,000 digits": ("en-de", b'{"source": "a", "beams": ' + b"9" * 100_000 + b"}", {400, 422}),
    "a fraction of 100,000 digits": ("size", b'{"table": {"age": 0.' + b"9" * 100_000 + b"}}", {200, 422}),
    "a name twice": ("intent", b'{"text": "a", "text": "b"}', {400}),
    "a name twice, inside": ("size", b'{"text": "a", "table": {"age": 1, "age": 2}}', {400}),
    "half a letter": ("intent", b'{"text": "a \\ud800 b"}', {422}),
    "half a letter in a name": ("intent", b'{"text": "a", "\\udfff": 1}', {422}),
    "half a letter in a cell": ("size", b'{"table": {"wing": "\\ud800"}}', {422}),
    "half a letter in a column": ("size", b'{"table": {"\\ud800": "a"}}', {422}),
    "half a letter in a word": ("slots", b'{"tokens": ["a", "\\ud800"]}', {422}),
    "nulls": ("intent", b'{"text": "a\\u0000b"}', {200, 422}),
    "only nulls": ("intent", b'{"text": "\\u0000"}', {200, 422}),
    "nulls as they are": ("intent", b'{"text": "a\0b"}', {400}),
    "not UTF-8": ("intent", b'{"text": "\xff\xfe"}', {400}),
    "UTF-7": ("intent", b"+AHsAIg-text", {400}),
    "two documents": ("intent", b'{"text": "a"}{"text": "b"}', {400}),
    "a comment": ("intent", b'{"text": "a" /* and */}', {400}),
    "a prototype": ("intent", b'{"text": "a", "__proto__": {"a": 1}}', {422}),
    "a class": ("intent", b'{"text": "a", "__class__": "os.system"}', {422}),
    "a list": ("intent", b'["a"]', {422}),
    "a text": ("intent", b'"a"', {422}),
    "a text that is a number": ("intent", b'{"text": 1}', {422}),
    "blanks of every kind": ("intent", json.dumps({"text": " \t\n\u2003\u00a0"}).encode(), {422}),
    "a text that is too long": ("intent", json.dumps({"text": "x" * 200_000}).encode(), {422}),
    "too many words": ("slots", json.dumps({"tokens": ["a"] * 50_000}).encode(), {422}),
    "an empty word": ("slots", b'{"tokens": ["a", ""]}', {422}),
    "words that are one word": ("slots", b'{"tokens": "a"}', {422}),
    "too many columns": ("size", json.dumps({"table": {f"c{i}": 1 for i in range(20_000)}}).encode(), {422}),
    "columns that no table has": ("size", b'{"table": {"__import__": 1}}', {422}),
    "a table of tables": ("size", b'{"table": {"age": {"a": 1}}}', {422}),
    "beams beyond all": ("en-de", b'{"source": "a", "beams": 1000000000}', {422}),
    "beams below": ("en-de", b'{"source": "a", "beams": -1}', {422}),
    "texts beyond all": ("en-de", b'{"source": "a", "max_new": 100000000}', {422}),
    "an option of another's": ("en-de", b'{"source": "a", "device": "cuda"}', {422}),
    "marks of the tokenizer": ("intent", b'{"text": "[CLS] [SEP] [PAD] [MASK]"}', {200}),
    "letters with a thousand accents": ("intent", json.dumps({"text": "a" + "\u0301" * 50_000}).encode(), {200}),
    "words of one letter's repetition": ("intent", json.dumps({"text": "a" * 99_000}).encode(), {200}),
    "text that turns round": ("intent", json.dumps({"text": "\u202egnp.exe"}).encode(), {200}),
    "a template": ("intent", b'{"text": "{{7*7}} ${7*7} %s %n <script>alert(1)</script>"}', {200}),
    "base64 that is none": ("shade", b'{"image": "%%%"}', {422}),
    "base64 of nothing": ("shade", b'{"image": ""}', {422}),
    "a data URL of nothing": ("shade", b'{"image": "data:"}', {422}),
    **{f"the path {path} for an image": ("shade", json.dumps({"image": path}).encode(), {422}) for path in PATHS},
    **{f"the path {path} for a sound": ("heard", json.dumps({"audio": path}).encode(), {422}) for path in PATHS},
    "a path in a mapping": ("shade", b'{"image": {"path": "/etc/passwd"}}', {422}),
}  # fmt: skip
REQUESTS: dict[str, tuple[str, str, dict, set[int]]] = {
    "a path that goes up": ("GET", "/v1/../../etc/passwd", {}, {404}),
    "a path that goes up, in code": ("GET", "/page.css/%2e%2e%2f%2e%2e%2fetc/passwd", {}, {404}),
    "a null in a path": ("POST", "/v1/intent%00", {}, {404}),
    "a line's end in a task's name": ("POST", "/v1/a%0d%0aSet-Cookie:x", {}, {404}),
    "a task's name without end": ("POST", f"/v1/{'x' * 50_000}", {}, {404}),
    "a stream that is neither": ("POST", "/v1/en-de?stream=%00", {}, {422}),
    "a time that is none": ("POST", "/v1/intent", {"x-timeout-seconds": "nan"}, {422}),
    "a time without end": ("POST", "/v1/intent", {"x-timeout-seconds": "inf"}, {422}),
    "a time below": ("POST", "/v1/intent", {"x-timeout-seconds": "-5"}, {422}),
    "a time of many digits": ("POST", "/v1/intent", {"x-timeout-seconds": "9" * 9_000}, {200, 422}),
    "another type": ("POST", "/v1/intent", {"content-type": "application/x-www-form-urlencoded"}, {415}),
    "XML": ("POST", "/v1/intent", {"content-type": "application/xml"}, {415}),
    "a pickle": ("POST", "/v1/intent", {"content-type": "application/x-pickle"}, {415}),
    "a file with boundaries": ("POST", "/v1/intent", {"content-type": "multipart/form-data; boundary=x"}, {415}),
    "an image for a text": ("POST", "/v1/intent", {"content-type": "image/png"}, {415}),
    "a type without end": ("POST", "/v1/intent", {"content-type": "a/" + "b" * 20_000}, {415}),
    "a method of its own": ("TRACE", "/v1/intent", {}, {405}),
    "one that would delete": ("DELETE", "/v1/intent", {}, {405}),
    "another's name": ("POST", "/v1/intent", {"host": "localhost.evil.example"}, {421}),
    "a name and a port that is none": ("POST", "/v1/intent", {"host": "evil.example:localhost"}, {421}),
    "no name": ("POST", "/v1/intent", {"host": ""}, {421}),
}  # fmt: skip


@pytest.fixture(scope="module")
def client(small_model):
    with live(ModelEngine(small_model, threads=1)) as (url, _), httpx.Client(base_url=url, timeout=30) as client:
        client.post("/v1/intent", json={"text": "it begins"}).raise_for_status()
        yield client


@pytest.mark.parametrize("attack", BODIES)
def test_a_body(client, attack):
    task, body, statuses = BODIES[attack]
    with bounded():
        fine(client.post(f"/v1/{task}", content=body, headers={"content-type": JSON}), statuses, client)


@pytest.mark.parametrize("attack", REQUESTS)
def test_a_request(client, attack):
    method, path, headers, statuses = REQUESTS[attack]
    with bounded():
        answer = client.request(method, path, content=b'{"text": "a", "source": "a"}' if path.count("en-de") else
                                b'{"text": "a"}', headers={"content-type": JSON, **headers})  # fmt: skip
        fine(answer, statuses, client)


def fine(answer: httpx.Response, statuses: set[int], client: httpx.Client) -> None:
    """An expected status; where it refuses, with a code and one line that tells nothing of the machine."""
    assert answer.status_code in statuses, answer.text[:500]
    if answer.status_code != 200:
        error = answer.json()["error"]
        assert error["code"] and error["message"] and "\n" not in error["message"] and len(answer.content) < 5000
        assert not any(secret in answer.text for secret in ("Traceback", "root:", "site-packages", "/work", "/home"))
    assert client.post("/v1/intent", json={"text": "it lives"}).status_code == 200
