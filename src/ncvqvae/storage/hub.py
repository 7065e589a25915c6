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

CARD = """---
{{ card_data }}
---

# {{ repo_id }}

A generator of time series: {{ summary }}.

```python
from ncvqvae import NCVQVAE

model = NCVQVAE.from_pretrained("{{ repo_id }}")
X_new, y_new = model.sample(500)
```
"""


def downloaded(source: str | Path, **download: Any) -> Path:
    """A folder as it is; of a Hub repository ``owner/name`` the folder into which its three files were downloaded.

    Args:
        source: a path, or text that may be either; what is there as a folder is a folder.
        download: arguments of ``huggingface_hub.snapshot_download``, for example ``revision`` or ``token``.

    Raises:
        InputError: if there is neither a folder nor a repository of that name.
    """
    folder = Path(source)
    if folder.is_dir() or isinstance(source, Path) or not re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        return folder
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, allow_patterns=list(MODEL_FILES), **download))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{source} is no folder here, and the Hub gave none ({reason}); check the name") from None


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
