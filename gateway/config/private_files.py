"""File permissions of the data folder: messages, e-mails and secrets in it are only for its owner."""

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
"""The entries to restrict if the data folder also holds the configuration, and perhaps a whole project."""


def restrict_new_files() -> None:
    """Make every file that this process creates from now on accessible to its owner only."""
    os.umask(UMASK)


def tighten(config: Config) -> None:
    """Take other users' access to the data folder away. Links are not followed, and files of other users are left as
    they are."""
    folder = config.data_path
    if config.folder.is_relative_to(folder):
        chosen = [entry for name in OURS for entry in folder.iterdir() if fnmatch(entry.name, name)]
    else:
        chosen = [folder]
    changed = sum(_tighten(path) for top in chosen if top.exists() for path in _within(top))
    if changed:
        log.warning("data_folder_tightened", folder=str(folder), changed=changed)


def open_to_others(path: Path) -> bool:
    """Whether anybody but the owner has access to the file or folder."""
    try:
        return bool(path.lstat().st_mode & OTHERS)
    except OSError:
        return False  # it does not exist


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
            continue  # deleted meanwhile, or another user's


def _tighten(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode) or not mode & OTHERS:
            return False
        os.chmod(path, stat.S_IMODE(mode) & ~OTHERS)
    except (FileNotFoundError, PermissionError):
        return False
    return True
