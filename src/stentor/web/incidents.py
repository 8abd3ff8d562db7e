"""The address of what happened at the door of a Space that is over."""

from litestar import Response, get

from stentor.audience.incident import page
from stentor.errors import Refused
from stentor.limits import INCIDENT_AFTER_S
from stentor.web import house
from stentor.web.bodies import AnyRequest


@get("/s/{space:str}/incident")
async def incident_page(request: AnyRequest, space: str) -> Response[bytes]:
    """What happened at the door."""
    here = house.of(request)
    card = here.cards.one(space)
    if card is None:
        raise Refused("space.unknown", "There is no such Space.")
    # The ledger's last record is written some seconds after the end.
    if not card.ended_at_ms or here.now_ms() < card.ended_at_ms + INCIDENT_AFTER_S * 1_000:
        raise Refused("space.not_ended", "The report is made when the Space is over.")
    headers = {"Content-Security-Policy": page.POLICY, "Cache-Control": "public, max-age=60"}
    document = await here.incidents.page(space)
    return Response(document, media_type="text/html", headers=headers)
