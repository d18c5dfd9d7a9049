"""`perfkit completion bash|zsh|fish`: the script that makes the shell complete perfkit's words."""

from __future__ import annotations

import click

_VARIABLE = "_PERFKIT_COMPLETE"


@click.command("completion", short_help="Print the completion script for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash:  eval "$(perfkit completion bash)"        in ~/.bashrc
    zsh:   eval "$(perfkit completion zsh)"         in ~/.zshrc
    fish:  perfkit completion fish > ~/.config/fish/completions/perfkit.fish
    """  # noqa: D301
    from click.shell_completion import get_completion_class

    from .main import group

    maker = get_completion_class(shell)
    assert maker is not None
    click.echo(maker(group, {}, "perfkit", _VARIABLE).source())
