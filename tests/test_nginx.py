"""Below a path behind nginx, with the configuration that is shipped: one visit to all that needs an address."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, expect

from tests.browser import ROOT, served
from tests.everyone import stir
from tests.test_browser_files import adapter, give

BASE = "/tools/lora"
AROUND = """daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{}}
http {{
    access_log off; types {{}} default_type application/octet-stream;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    include {folder}/lora.conf;
}}
"""


@contextmanager
def behind_nginx(app: str, folder: Path) -> Iterator[str]:
    """nginx with our configuration, but for the two ports; yields its address."""
    found = shutil.which("nginx") or "/usr/sbin/nginx"
    assert Path(found).exists(), "no nginx here: `bash tests/from_debian.sh nginx` installs it on Debian"
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    shipped = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    own = shipped.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace("127.0.0.1:8501", urlsplit(app).netloc)
    assert own.count(str(port)) == 1 and urlsplit(app).netloc in own
    (folder / "lora.conf").write_text(own, encoding="utf-8")
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder), encoding="utf-8")
    server = subprocess.Popen([found, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            raise AssertionError((folder / "error.log").read_text(encoding="utf-8"))
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def test_everything_works_below_a_path_behind_nginx(browser: Browser, tmp_path: Path) -> None:
    with served(base=BASE.strip("/")) as app, behind_nginx(app, tmp_path) as front:
        context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-US")
        context.set_default_timeout(60_000)
        page = context.new_page()
        outside: list[str] = []
        page.on("request", lambda r: None if f"{front}{BASE}" in r.url else outside.append(r.url))
        page.on("websocket", lambda s: None if f"{BASE}/_stcore/stream" in s.url else outside.append(s.url))
        page.goto(f"{front}{BASE}/gauge?rank=2")
        player = page.locator(".player")
        expect(player).to_have_attribute("data-frames", re.compile(r"\d+"), timeout=60_000)  # over the socket
        kept = [c for c in context.cookies() if c.get("name") == "lora"]
        assert len(kept) == 1 and kept[0].get("path") == f"{BASE}/"

        page.get_by_role("button", name="Share").click()
        link = page.get_by_role("dialog").locator("code").first.inner_text()
        assert link.startswith(f"{front}{BASE}/gauge?") and "rank=2" in link
        page.get_by_role("dialog").get_by_text("Which controls stay").click()
        page.get_by_role("dialog").get_by_text("Without menu").click()
        lines = page.get_by_role("dialog").locator("code").last
        expect(lines).to_contain_text(f"{BASE}/light/gauge?rank=2")
        with closing(http.client.HTTPConnection(urlsplit(front).netloc, timeout=10)) as asked:
            asked.request("GET", f"{BASE}/light/lora-film.js")
            assert asked.getresponse().status == 200

        page.goto(f"{link}&embed=true")
        expect(player).to_have_attribute("data-frames", re.compile(r"\d+"))
        expect(page.get_by_test_id("stHeader")).to_be_hidden()
        page.goto(link)
        page.get_by_role("link", name="This lesson as a plain page").click()
        page.wait_for_url(re.compile(rf"{re.escape(front + BASE)}/light/gauge\?(.*&)?rank=2"))
        expect(page.locator("#player canvas:visible").first).to_be_visible()
        page.get_by_role("link", name="The same in the app").click()
        page.wait_for_url(re.compile(rf"{re.escape(front + BASE)}/gauge\?(.*&)?rank=2"))

        page.goto(f"{front}{BASE}/machine?deck=five_minutes&scene=1")
        expect(player).to_have_attribute("data-frames", re.compile(r"\d+"))
        stir(page)
        page.locator(".st-key-scene_next").get_by_role("button").first.click()
        page.wait_for_url(re.compile(rf"{re.escape(front + BASE)}/\w+\?.*scene=2"))
        page.goto(f"{front}{BASE}/inspector")
        expect(player).to_have_attribute("data-frames", "36", timeout=60_000)
        give(page, "good.safetensors", adapter(5))
        expect(page.get_by_text("Adapter: your own file.")).to_be_visible(timeout=60_000)
        expect(player).to_have_attribute("data-frames", "1")
        assert not [url for url in outside if not url.startswith(("data:", "blob:"))]
        context.close()
