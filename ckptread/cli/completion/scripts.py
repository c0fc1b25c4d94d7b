"""What each shell runs on Tab, and where it looks for that."""

from __future__ import annotations

import os
from enum import StrEnum

BASH = r"""_ckptread_completion() {
    local found
    COMPREPLY=()
    while IFS= read -r found; do
        COMPREPLY+=("$found")
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \
        _CKPTREAD_COMPLETE=complete_bash "$1" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/.=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

complete -o default -F _ckptread_completion ckptread
"""
ZSH = r"""#compdef ckptread

_ckptread() {
    local -a found
    found=("${(@f)$(_CKPTREAD_COMPLETE=complete_zsh "${(Q)words[1]}" \
        "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    found=(${found:#})
    if (( ! $#found )); then
        _files
        return
    fi
    compadd -S '' -- ${(M)found:#*[/.=]}
    compadd -- ${found:#*[/.=]}
}

if [[ $funcstack[1] == _ckptread ]]; then
    _ckptread "$@"
else
    compdef _ckptread ckptread
fi
"""
FISH = r"""function __ckptread_candidates
    set -l words (commandline -opc)
    set -l word (commandline -ct | string unescape)
    test -n "$word"; or set word ''
    set -lx _CKPTREAD_COMPLETE complete_fish
    set -l found ($words[1] $words[2..-1] "$word" 2>/dev/null)
    if set -q found[1]
        printf '%s\n' $found
    else
        __fish_complete_path "$word"
    end
end

complete -c ckptread -f -a '(__ckptread_candidates)'
"""


class Shell(StrEnum):
    """The shells that are completed in."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


SCRIPTS = {Shell.bash: BASH, Shell.zsh: ZSH, Shell.fish: FISH}
PLACES = {
    Shell.bash: "~/.bash_completions/ckptread.sh",
    Shell.zsh: "~/.zfunc/_ckptread",
    Shell.fish: "~/.config/fish/completions/ckptread.fish",
}
STARTUP = {
    Shell.bash: ("~/.bashrc", "source ~/.bash_completions/ckptread.sh"),
    Shell.zsh: ("~/.zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit"),
}
"""The file that the shell reads when it starts, and the line by which it finds the script there."""


def install_script(shell: Shell) -> str:
    """Write a shell's script where it is found, and return that place. Raises OSError."""
    place = os.path.expanduser(PLACES[shell])
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "w", encoding="utf-8") as file:
        file.write(SCRIPTS[shell])
    if shell in STARTUP:
        _add_line(*STARTUP[shell])
    return place


def _add_line(path: str, line: str) -> None:
    """Add a line to a file, unless it is there."""
    with open(os.path.expanduser(path), "a+", encoding="utf-8") as file:
        file.seek(0)
        text = file.read()
        if line not in text.splitlines():
            file.write(("" if not text or text.endswith("\n") else "\n") + line + "\n")
