"""What people install: the wheel, built and installed as pip does it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*command, "--disable-pip-version-check"], check=True)
    return next(folder.glob("codelm-*.whl"))


def test_it_holds_every_file_of_the_packages_and_nothing_else(wheel):
    """Also what the build would leave out by itself, had .gitignore named it: arrays, TOML, the model card."""
    expected = {
        f"{package.name}/{file.relative_to(package).as_posix()}"
        for package in (ROOT / "server" / "codelm", ROOT / "training" / "codelm_train")
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    with zipfile.ZipFile(wheel) as opened:
        found = {name for name in opened.namelist() if ".dist-info/" not in name}
        licences = [name for name in opened.namelist() if name.endswith("LICENSE")]
    assert found == expected
    assert "codelm/bundled/manifest.json" in found
    assert "codelm/bundled/ngram.5.words.npy" in found
    assert "codelm/bundled/MODEL_CARD.md" in found
    assert "codelm_train/recipes/bundled.toml" in found
    assert licences


def test_installed_it_completes(wheel, tmp_path):
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run([*install, "--disable-pip-version-check"], check=True)
    (tmp_path / "app.py").write_text("import os\nos.path.jo\n", encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-m", "codelm.cli", "complete", "app.py:2:11", "-k", "1"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.startswith("join")
    where = subprocess.run(
        [sys.executable, "-c", "import codelm; print(codelm.__file__)"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(site))
