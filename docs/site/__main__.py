"""Build the documentation as a site: `python -m docs.site`, into build/site. What is wrong with it fails the build."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from docs.site.links import count_links, faults
from docs.site.pages import ROOT, stage

CONFIG = Path(__file__).parent / "zensical.toml"
GENERATOR = Path(sys.executable).with_name("zensical")


def build(folder: Path) -> Path:
    """The site, in `folder`, where the generator keeps what it needs as well. Raises CalledProcessError."""
    pages, config = folder / "site-pages", folder / CONFIG.name
    stage(pages)
    config.write_text(CONFIG.read_text(encoding="utf-8").replace("{root}", ROOT.as_posix()), encoding="utf-8")
    subprocess.run([GENERATOR, "build", "--clean", "--strict", "--config-file", config], check=True)
    site = folder / "site"
    for hidden in pages.rglob(".*"):  # which the generator leaves out, although pages link to them
        shutil.copyfile(hidden, site / hidden.relative_to(pages))
    return site


def main() -> int:
    """Build and check. The status is 1 where a link leads nowhere or a page would fetch a file from elsewhere."""
    parser = argparse.ArgumentParser(prog="python -m docs.site", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "build", help="where the folder `site` is made")
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        site = build(folder)
    except subprocess.CalledProcessError as stopped:
        return stopped.returncode
    wrong = list(faults(site))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{site / 'index.html'}: {count_links(site)} links within the site, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
