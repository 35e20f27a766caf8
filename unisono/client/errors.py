"""What a client is told in place of an answer: one class for each thing that its caller may want to do about it."""

from __future__ import annotations


class ClientError(Exception):
    """No answer; one line.

    Args:
        code: the server's one word for it; of the client's own errors: ``unreachable``, ``late``, ``unfit``.
        status: of HTTP; 0 where no answer came.
        where: the file or the input that it is about.

    ``at`` is the number of the row, where several were asked.
    """

    def __init__(self, message: str, *, code: str, status: int = 0, where: str = "") -> None:
        super().__init__(message)
        self.message, self.code, self.status, self.where = message, code, status, where
        self.at: int | None = None

    def __str__(self) -> str:
        row = "" if self.at is None else f"row {self.at + 1}"
        return ": ".join(filter(None, [row, self.where, self.message]))


class Unfit(ClientError):
    """The row, an option or the request does not fit the task: asking again does not help."""


class NoTask(ClientError):
    """The server has no such task."""


class Unauthorized(ClientError):
    """The token is missing or wrong, or the server does not answer under this name."""


class Busy(ClientError):
    """The server had no room in all the time that was given to the question.

    Args:
        retry_after: seconds until it expects to have some.
    """

    def __init__(self, message: str, *, code: str, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(message, code=code, status=status)
        self.retry_after = retry_after


class Late(ClientError):
    """The time that the question may take is over."""


class Fault(ClientError):
    """A fault of the server's own, or something in between that is no server of ours."""


class Unreachable(ClientError):
    """There is no connection to the server, or it broke before the answer was whole."""


class Unanswered(ClientError):
    """A stream ended before its answers were whole."""


_BY_STATUS: dict[int, type[ClientError]] = {
    400: Unfit, 401: Unauthorized, 403: Unauthorized, 404: NoTask, 413: Unfit, 415: Unfit, 421: Unauthorized,
    422: Unfit, 429: Busy, 503: Busy, 504: Late,
}  # fmt: skip


def error_of(status: int, content: object) -> ClientError:
    """The error that an answer of this status tells.

    Args:
        content: its JSON; ours has ``{"error": {"code", "message"}}``.
    """
    told = content.get("error") if isinstance(content, dict) else None
    if isinstance(told, dict) and isinstance(told.get("message"), str):
        return _BY_STATUS.get(status, Fault)(told["message"], code=str(told.get("code", status)), status=status)
    message = f"an answer of status {status} that is not a Unisono server's: is the address right?"
    return _BY_STATUS.get(status, Fault)(message, code=f"http_{status}", status=status)
