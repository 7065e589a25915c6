"""Models on the Hugging Face Hub: a repository there holds the files of a saved model and a card, nothing else.

huggingface_hub's own mixin would leave a ``config.json`` and a card in every saved folder; its functions do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ncvqvae.errors import InputError

MODEL_FILES = ("config.yaml", "tokenizer.safetensors", "prior.safetensors")
"""All that a trained model consists of."""

PREFIX = "hub:"
"""What a name on the Hub begins with, and no path does."""

CARD = """---
{{ card_data }}
---

# {{ repo_id }}

A generator of time series: {{ summary }}.

```python
from ncvqvae import NCVQVAE

model = NCVQVAE.from_pretrained("hub:{{ repo_id }}")
X_new, y_new = model.sample(500)
```
"""


def downloaded(source: str | Path, **download: Any) -> Path:
    """A folder as it is; of a Hub repository ``hub:owner/name`` the folder into which its files were downloaded.

    Only the prefix asks the Hub: a path that is not there must never become a stranger's repository of that name.

    Args:
        source: a path, or text that begins with ``hub:``.
        download: arguments of ``huggingface_hub.snapshot_download``, for example ``revision`` or ``token``.

    Raises:
        InputError: if there is no such folder or repository.
    """
    if isinstance(source, Path) or not source.startswith(PREFIX):
        folder = Path(source).expanduser()
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give a model's folder, or {PREFIX}owner/name for the Hub")
        if download:
            raise InputError(f"{next(iter(download))} is for the Hub, and {folder} is a folder; leave it out")
        return folder
    repo_id = source.removeprefix(PREFIX)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo_id):
        raise InputError(f"{source} names no repository of the Hub; write {PREFIX}owner/name")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo_id, allow_patterns=list(MODEL_FILES), **download))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the Hub gave no {repo_id} ({reason}); check the name") from None


def upload(
    save: Callable[[str], None], repo_id: str, summary: str, *, private: bool | None = None, token: str | None = None
) -> str:
    """Upload what ``save`` writes into a folder, with a model card where the repository has none yet.

    Returns:
        URL of the commit.
    """
    from huggingface_hub import HfApi, ModelCard, ModelCardData

    api = HfApi(token=token)
    repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
    with TemporaryDirectory() as folder:
        save(folder)
        if not api.file_exists(repo_id, "README.md"):
            data = ModelCardData(library_name="ncvqvae", tags=["time-series", "vq-vae", "generation"])
            card = ModelCard.from_template(data, template_str=CARD, repo_id=repo_id, summary=summary)
            card.save(Path(folder) / "README.md")
        return str(api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Upload NCVQVAE model"))
