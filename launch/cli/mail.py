"""`trailmind mail`: look at the mails, test the mail server, and say which addresses receive nothing."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from launch.cli.options import DataDir, command_settings, settings_with_database
from models.errors import ConfigurationError
from models.plurals import counted

if TYPE_CHECKING:
    from cluster.mail.messages import Mail

mail_app = typer.Typer(no_args_is_help=True, help="Mails: preview, test of the server, suppressed addresses, links.")
Address = Annotated[str, typer.Argument(help="The address.")]


@mail_app.command()
def preview(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the files.")] = Path("mail-preview"),
    kind: Annotated[str | None, typer.Option(help="Only the mails of this kind.")] = None,
) -> None:
    """Write every mail, in both languages, as HTML and text with invented content; sends nothing."""
    from cluster.mail.samples import sample_mails

    output.mkdir(parents=True, exist_ok=True)
    picture = _sample_picture()
    links = []
    for language in ("ko", "en"):
        for mail in sample_mails(language, picture):
            if kind not in (None, mail.kind):
                continue
            name = f"{mail.kind}.{language}"
            (output / f"{name}.html").write_text(with_embedded_pictures(mail))
            (output / f"{name}.txt").write_text(f"Subject: {mail.subject}\n\n{mail.text}")
            links.append(f'<li><a href="{name}.html">{name}</a> (<a href="{name}.txt">text</a>)</li>')
    if not links:
        raise ConfigurationError(f"there is no mail of the kind {kind}")
    (output / "index.html").write_text(f'<!doctype html><meta charset="utf-8"><ul>{"".join(links)}</ul>')
    typer.echo(f"{counted(len(links), 'mail')} in {output}/index.html")


def with_embedded_pictures(mail: Mail) -> str:
    """The HTML of a mail for a browser: pictures as data, because only mail programs know `cid:`."""
    html = mail.html
    for picture in mail.pictures:
        data = base64.b64encode(picture.png).decode()
        html = html.replace(f"cid:{picture.content_id}", f"data:image/png;base64,{data}")
    return html


def _sample_picture() -> bytes:
    from cluster.mail.session_report import PICTURE_WIDTH_PX
    from cluster.mindmap.build import build_map
    from cluster.mindmap.evaluation.session_file import pages_from_events, parse_events
    from cluster.mindmap.render.images import to_svg
    from cluster.mindmap.render.png import to_png
    from launch.samples import sample_events, sample_names

    pages = pages_from_events(parse_events(sample_events(sample_names()[0]).read_bytes()))
    return to_png(to_svg(build_map(pages), "radial", "light", palette="dashboard"), width=PICTURE_WIDTH_PX)


@mail_app.command()
def check(data_dir: DataDir = None) -> None:
    """Connect to the mail server and log in, without sending anything."""
    from launch.cli.doctor import check_mail

    result = check_mail(command_settings(data_dir))
    typer.echo(result.message)
    if result.state == "bad":
        raise typer.Exit(1)


@mail_app.command()
def suppress(
    address: Address,
    complaint: Annotated[bool, typer.Option("--complaint", help="Its owner called our mail spam.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Send nothing to an address any more."""
    from models.accounts.mail_records import suppress_address

    reason: Any = "complaint" if complaint else "bounce"
    _with_database(data_dir, lambda connection: suppress_address(connection, address, reason))
    typer.echo("The address receives nothing any more.")


@mail_app.command()
def allow(address: Address, data_dir: DataDir = None) -> None:
    """Send to an address again that was suppressed."""
    from models.accounts.mail_records import lift_suppression

    was_suppressed = _with_database(data_dir, lambda connection: lift_suppression(connection, address))
    typer.echo("The address receives mails again." if was_suppressed else "The address was not suppressed.")


@mail_app.command()
def bounce(
    report: Annotated[typer.FileBinaryRead, typer.Argument(help="A delivery status report (RFC 3464); - reads stdin.")],
    data_dir: DataDir = None,
) -> None:
    """Suppress the addresses that a bounced mail names; a mail server can pipe its bounces here."""
    from cluster.mail.bounces import refused_addresses
    from models.accounts.mail_records import suppress_address

    found = refused_addresses(report.read())
    for address in found:
        _with_database(data_dir, lambda connection, address=address: suppress_address(connection, address, "bounce"))  # type: ignore[misc]
    typer.echo(f"{counted(len(found), 'address')} suppressed.")


@mail_app.command()
def links(data_dir: DataDir = None) -> None:
    """Print a verification link for each address that waits for confirmation, where no mail server sends them.

    Pass each link on to the owner of the account; it works only in a browser that is logged in to it. Links printed
    before become invalid.
    """
    settings = settings_with_database(data_dir)
    if settings.mail.server_url is not None:
        raise ConfigurationError("this server has a mail server: users receive their links by mail")

    async def run() -> list[str]:
        from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

        from cluster.mail.pending_links import pending_verifications
        from launch.joined_cluster import server_origin

        engine = create_async_engine(settings.database.sqlalchemy_url)
        async with AsyncSession(engine) as db:
            found = await pending_verifications(db, server_origin(settings))
            await db.commit()
        await engine.dispose()
        return [f"{each.email}  {each.link}" for each in found]

    typer.echo("\n".join(asyncio.run(run())) or "No address waits for confirmation.")


def _with_database(data_dir: Path | None, act: Callable[[Any], Awaitable[Any]]) -> Any:
    dsn = settings_with_database(data_dir).database.postgres_dsn

    async def run() -> Any:
        import psycopg

        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            return await act(connection)

    return asyncio.run(run())
