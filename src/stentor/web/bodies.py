"""Request bodies as structs: JSON for the API, forms for pages; bounded in bytes, fields and time.

Fields that are not known are ignored.
"""

import asyncio
import urllib.parse
from typing import Any, TypeVar

import msgspec
from litestar import Request

from stentor.errors import Refused
from stentor.limits import FORM_FIELDS_MAX, HEADER_DEADLINE_S

T = TypeVar("T", bound=msgspec.Struct)
AnyRequest = Request[Any, Any, Any]


async def json(request: AnyRequest, kind: type[T]) -> T:
    """The JSON document of a request.

    Raises:
        Refused: `request.media_type`, `request.malformed` or `request.too_large`.
    """
    if _media_type(request) != "application/json":
        raise Refused("request.media_type", "Send JSON, with Content-Type: application/json.")
    body = await _body(request)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Refused("request.malformed", f"A field is missing or wrong: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("request.malformed", "The body is not a JSON document.") from error


async def form(request: AnyRequest, kind: type[T]) -> T:
    """The fields of a form (`application/x-www-form-urlencoded`); a field that is missing is empty.

    Raises:
        Refused: `request.media_type`, `request.malformed` or `request.too_large`.
    """
    if _media_type(request) != "application/x-www-form-urlencoded":
        raise Refused("request.media_type", "This address takes what a page's form sends.")
    body = await _body(request)
    try:
        pairs = urllib.parse.parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX
        )
        return msgspec.convert(dict(pairs), kind, strict=False)
    except (ValueError, msgspec.ValidationError) as error:
        raise Refused("request.malformed", "The form is not filled in as it should be.") from error


def _media_type(request: AnyRequest) -> str:
    return str(request.headers.get("content-type", "")).partition(";")[0].strip().lower()


async def _body(request: AnyRequest) -> bytes:
    # The edge passes a body on as it comes; somebody who never finishes is not waited for.
    try:
        async with asyncio.timeout(HEADER_DEADLINE_S):
            return await request.body()
    except TimeoutError as error:
        raise Refused("request.malformed", "The request did not arrive in time.") from error
