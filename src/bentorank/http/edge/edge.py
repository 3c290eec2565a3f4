"""The outermost layer: every answer that leaves the process passes here and leaves in one shape.

It lies outside BentoML's own middleware, because that answers timeouts and failures in bodies of its own, labels its
metrics with raw paths, and knows no limit on bodies. See docs/design.md.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bentorank.errors import BentorankError, NotFoundError
from bentorank.http.edge.body_limit import LimitedBody
from bentorank.http.edge.envelope import error_response
from bentorank.http.edge.foreign_errors import error_of
from bentorank.http.edge.methods import as_handled, check_method, options_response
from bentorank.http.edge.model_paths import ADMIN_PATH, ADMIN_TEMPLATE, contains_model, templated
from bentorank.http.edge.paths import meant_path
from bentorank.http.edge.request_context import RequestContext, begin_request
from bentorank.observability import metrics
from bentorank.observability.logging.privacy import told_without_text
from bentorank.observability.metrics import CLIENT_CLOSED_REQUEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from bentorank.http.edge.access_log import AccessLog
    from bentorank.http.edge.body_limit import BodyLimits
    from bentorank.http.edge.keys import KeyRing
    from bentorank.observability.tracing.request_trace import RequestTracer

logger = logging.getLogger(__name__)

ADMIN_PATHS = frozenset({ADMIN_PATH, ADMIN_TEMPLATE})

NO_SUCH_ROUTE = "no such route; GET / lists the endpoints"
FIRST_ERROR_STATUS = 400
# No error of BentoML's is longer, unless the request had very many mistakes.
MAX_REPLACED_BODY_BYTES = 65_536


class Edge:
    """Request ids, known paths and methods only, keys, the body limit, one error body, a log line if wanted."""

    def __init__(  # noqa: PLR0913 - by name, each a part of the edge
        self,
        app: ASGIApp,
        *,
        methods: Mapping[str, frozenset[str]],
        keys: KeyRing,
        bodies: BodyLimits,
        admin_keys: KeyRing | None = None,
        access_log: AccessLog | None = None,
        tracer: RequestTracer | None = None,
    ) -> None:
        """`methods` are those that the application handles, by path: no other path is known.

        What changes the service wants one of the `admin_keys`, and no other; there is none of it without them.
        """
        self._app = app
        self._methods = methods
        self._keys = keys
        self._admin_keys = admin_keys
        self._bodies = bodies
        self._access_log = access_log
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = begin_request(scope)
        scope = self._with_known_path(scope, context)
        route = scope["path"] if scope["path"] in self._methods else None
        if self._tracer is not None:
            context.trace = self._tracer.begin(scope["method"], route, scope["headers"])
        answer = _Answer(context, send)
        body = LimitedBody(receive, context, self._bodies)
        try:
            context.key = self._check(scope)
            if scope["method"] == "OPTIONS":
                await options_response(self._methods[scope["path"]])(scope, receive, answer.send)
            else:
                await self._app(as_handled(scope), body.receive, answer.send)
        except BentorankError as error:
            context.error = error
            metrics.EDGE_REFUSALS.labels(error.code).inc()
        except Exception as error:  # noqa: BLE001 - the last place where a failure can still become an answer
            context.error = context.error or BentorankError("internal error; the log has the request id")
            _log_failure(error, context.request_id)
        finally:
            body.forget()
        await answer.finish(scope, receive)
        if context.error is not None:
            metrics.record_refusal(context.error)
        if context.trace is not None:
            context.trace.end(answer.status, context.error, context.request_id)
        if self._access_log is not None:
            self._access_log.record(scope["method"], route, answer.status, context)
        _forget_frames(context.error)

    def _with_known_path(self, scope: Scope, context: RequestContext) -> Scope:
        """The scope with the path that is guarded, served, counted and logged: one of a few, if it means one."""
        if scope["path"] in self._methods:
            return scope
        path = templated(meant_path(scope["path"], self._is_known), context)
        return scope if path == scope["path"] else {**scope, "path": path, "raw_path": path.encode()}

    def _is_known(self, path: str) -> bool:
        return path in self._methods or contains_model(path)

    def _check(self, scope: Scope) -> bytes | None:
        """The digest of the caller's key, if it needs one."""
        if scope["path"] not in self._methods:
            raise NotFoundError(NO_SUCH_ROUTE)
        keys = self._admin_keys if scope["path"] in ADMIN_PATHS else self._keys
        if keys is None:
            raise NotFoundError(NO_SUCH_ROUTE)
        key = keys.check(scope)
        check_method(scope, self._methods[scope["path"]])
        self._bodies.check_declared_length(scope)
        return key


class _Answer:
    """Passes good answers through with the request id, and replaces the body of bad ones by ours."""

    def __init__(self, context: RequestContext, send: Send) -> None:
        self._context = context
        self._send = send
        self._started = False
        self._replaced_status: int | None = None
        self._replaced_body = b""
        self.status = 0

    async def send(self, message: Message) -> None:
        """The `send` that the inner application sees."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status >= FIRST_ERROR_STATUS:
                self._replaced_status = self.status
                return
            self._started = True
            message = {**message, "headers": [*message["headers"], *self._context.answer_headers]}
        if self._replaced_status is None:
            await self._send(message)
        elif len(self._replaced_body) < MAX_REPLACED_BODY_BYTES:
            self._replaced_body += message.get("body", b"")

    async def finish(self, scope: Scope, receive: Receive) -> None:
        """Send the error body, if the request ended in an error and nothing was sent yet."""
        if self._started or (self._replaced_status is None and self._context.error is None):
            return
        error = self._context.error or error_of(self._replaced_status or 500, self._replaced_body)
        # Log and trace tell of a caller who left; nobody receives what is sent.
        self.status = CLIENT_CLOSED_REQUEST if self._replaced_status == CLIENT_CLOSED_REQUEST else error.status
        response = error_response(error, self._context.request_id)
        response.raw_headers += self._context.answer_headers
        await response(scope, receive, self._send)


def _forget_frames(error: BaseException | None) -> None:
    """Let go of what was on the stack when it was raised: all documents of the request.

    The frames hold the context and it the error, and a timer of asyncio's that was cancelled holds the context until
    its time. For half a minute each refused body kept its memory.
    """
    while error is not None:
        reason = error.__cause__ or error.__context__
        error.__traceback__ = error.__cause__ = error.__context__ = None
        error = reason


def _log_failure(error: Exception, request_id: str) -> None:
    """Where it failed and with which type; never the message, which may quote the input."""
    logger.error("a request failed: %s", told_without_text(error), extra={"request_id": request_id})
