#!/usr/bin/env bash
# What the tests need beside Python: Debian's packages where none is found. `bash tests/from_debian.sh chromium node`
set -eu
found() {
    for name in "$@"; do if command -v "$name" >/dev/null; then return 0; fi; done
    return 1
}
packages=()
for tool in "$@"; do
    case "$tool" in
        chromium) found chromium chromium-browser google-chrome || packages+=(chromium fonts-dejavu-core) ;;
        redis-server) found redis-server valkey-server || packages+=(redis-server) ;;
        node) { found node && found npm; } || packages+=(nodejs npm) ;;
    esac
done
if [ "${#packages[@]}" -eq 0 ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    echo "The tests need $* on the PATH: please install them." >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then sudo=sudo; fi
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
