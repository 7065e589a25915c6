from importlib import metadata
from pathlib import Path

import pytest

from ncvqvae.cli import main
from ncvqvae.commands import doctor
from ncvqvae.commands.doctor import examine, lines


def test_a_sound_installation_has_no_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--out", str(tmp_path / "runs")])
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "no problem found"
    for name in ("ncvqvae", "libraries", "device", "threads", "cache", "disk", "datasets", "compiled", "[ray]"):
        assert any(line.startswith(f"{name} ") for line in out.splitlines())
    assert metadata.version("torch") in out and "fit GunPoint" in err
    assert not list(tmp_path.iterdir())  # it looks and leaves nothing


def test_what_is_wrong_is_said_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NCVQVAE_DATA_DIR", str(tmp_path / "absent"))
    version = doctor.installed_version
    monkeypatch.setattr(doctor, "installed_version", lambda name: "0.1" if name == "lightning" else version(name))
    monkeypatch.setattr(doctor, "LITTLE_DISK", 1e9)
    with pytest.raises(SystemExit) as stopped:
        main(["doctor", "--out", str(tmp_path)])
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("problem: ")]
    assert stopped.value.code == 1 and len(said) == 3
    assert "lightning 0.1 does not fit lightning>=" in said[0] and "pip install" in said[0]
    assert "GB are free" in said[1] and "no folder" in said[2]


def test_an_extra_that_is_not_there_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = doctor.installed_version
    monkeypatch.setattr(doctor, "installed_version", lambda name: None if name == "ray" else version(name))
    findings = examine(tmp_path)
    (ray,) = (finding for finding in findings if finding.name == "[ray]")
    assert "pip install 'ncvqvae[ray]'" in ray.text and not ray.problem
    assert list(lines(findings))[-1] == "no problem found"


def test_a_user_without_a_home_hears_that_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "cache_dir", lambda: None)
    (cache,) = (finding for finding in examine(tmp_path) if finding.name == "cache")
    assert "no home" in cache.problem and "NCVQVAE_CACHE_DIR" in cache.problem
