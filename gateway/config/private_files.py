"""What the data folder holds is for its owner alone: what people wrote, mails with codes, secrets."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import structlog

from gateway.config.settings import Config

log = structlog.get_logger("parley.gateway")

UMASK = 0o077
OTHERS = stat.S_IRWXG | stat.S_IRWXO
OURS = ("parley.db*", "blobs", "knowledge", "routes", "published-*.json", "read-*.json", "address")
"""What is tightened where the data folder holds the configuration too, and perhaps a whole project."""


def restrict_new_files() -> None:
    """From now on, whatever this process creates is for its owner alone."""
    os.umask(UMASK)


def tighten(config: Config) -> None:
    """Take the rights of others from what is in the data folder. Links are not followed, and what belongs to another
    user is left as it is."""
    folder = config.data_path
    if config.folder.is_relative_to(folder):
        chosen = [entry for name in OURS for entry in folder.iterdir() if fnmatch(entry.name, name)]
    else:
        chosen = [folder]
    changed = sum(_tighten(path) for top in chosen if top.exists() for path in _within(top))
    if changed:
        log.warning("data_folder_tightened", folder=str(folder), changed=changed)


def open_to_others(path: Path) -> bool:
    """True when anybody but the owner may do anything with the file or folder."""
    try:
        return bool(path.lstat().st_mode & OTHERS)
    except OSError:
        return False  # it is not there


def _within(top: Path) -> Iterator[str]:
    yield str(top)
    folders = [str(top)] if top.is_dir() and not top.is_symlink() else []
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    yield entry.path
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue  # gone meanwhile, or somebody else's


def _tighten(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode) or not mode & OTHERS:
            return False
        os.chmod(path, stat.S_IMODE(mode) & ~OTHERS)
    except (FileNotFoundError, PermissionError):
        return False
    return True
