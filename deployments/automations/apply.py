"""Put the automations beside this file on a Prefect server, and the webhook that they tell; again changes them in place.

    export PREFECT_API_URL=http://127.0.0.1:4200/api
    export WHYREC_ALERTS__WEBHOOK_URL=https://hooks.example.com/...
    python deployments/automations/apply.py                # or: ... apply.py late crashed

The address is kept by the server as a secret of the block `whyrec-alerts`. To tell people otherwise, make a
notification block in the UI and name it: --block slack-webhook/oncall.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from prefect.automations import Automation
from prefect.blocks.core import Block
from prefect.blocks.notifications import CustomWebhookNotificationBlock

FOLDER = Path(__file__).parent
BLOCK = "whyrec-alerts"
ADDRESS = "WHYREC_ALERTS__WEBHOOK_URL"


def read_template(name: str, block: UUID) -> dict[str, Any]:
    """A template of this folder with the notification block filled in."""
    document: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    for action in document["actions"]:
        action["block_document_id"] = str(block)
    return document


def save_webhook(address: str, *, is_private_allowed: bool) -> UUID:
    """Keep the address as a secret of a notification block; returns the block's id."""
    block = CustomWebhookNotificationBlock(
        name=BLOCK,
        url="{{address}}",
        json_data={"text": "{{subject}}\n{{body}}"},
        secrets={"address": address},
        allow_private_urls=is_private_allowed,
    )
    return UUID(str(block.save(BLOCK, overwrite=True)))


def apply(name: str, block: UUID) -> str:
    """Create an automation, or change the one of that name; returns its name."""
    wanted = Automation(**read_template(name, block))
    try:
        known = Automation.read(name=wanted.name)
    except ValueError:
        known = None
    if known is None:
        wanted.create()
    else:
        wanted.id = known.id
        wanted.update()
    return str(wanted.name)


def main() -> None:
    """Apply the templates that are named, or all."""
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(known)}; default all")
    parser.add_argument("--block", help="a notification block that there is, as TYPE/NAME")
    parser.add_argument(
        "--allow-private", action="store_true", help="the address may be of a private network"
    )
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in known]:
        sys.exit(f"there is no template {unknown[0]}; there are {', '.join(known)}")
    if options.block:
        block = Block.load(options.block)._block_document_id  # type: ignore[union-attr]
    elif address := os.environ.get(ADDRESS):
        block = save_webhook(address, is_private_allowed=options.allow_private)
    else:
        sys.exit(f"nobody to tell: set {ADDRESS}, or name a block with --block TYPE/NAME")
    for name in options.names or known:
        sys.stdout.write(f"{apply(name, block)}\n")


if __name__ == "__main__":
    main()
