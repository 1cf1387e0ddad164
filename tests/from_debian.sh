#!/usr/bin/env bash
# What the tests need beside Python: Debian's packages where none is found. `bash tests/from_debian.sh chromium node nginx`
set -eu
found() {
    for name in "$@"; do if command -v "$name" >/dev/null; then return 0; fi; done
    return 1
}
packages=()
for tool in "$@"; do
    case "$tool" in
        chromium) found chromium-headless-shell chromium chromium-browser google-chrome || packages+=(CHROMIUM) ;;
        nginx) { found nginx || [ -x /usr/sbin/nginx ]; } || packages+=(nginx-light) ;;
        redis-server) found redis-server valkey-server || packages+=(redis-server) ;;
        firefox) found firefox-esr firefox || packages+=(FIREFOX) ;;
        node) { found node && found npm; } || packages+=(nodejs npm) ;;
    esac
done
if [ "${#packages[@]}" -eq 0 ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    # Without Firefox its tests are skipped and say so; without the rest there are no tests.
    if [ "${packages[*]}" = FIREFOX ]; then exit 0; fi
    echo "The tests need $* on the PATH: please install them." >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then sudo=sudo; fi
$sudo apt-get update -qq
# Chromium without a window of its own takes a tenth less of the processor; not every Debian has it apart.
shell=chromium-headless-shell
apt-cache show "$shell" >/dev/null 2>&1 || shell=chromium
packages=("${packages[@]/CHROMIUM/$shell}")
if [[ " ${packages[*]} " == *" $shell "* ]]; then packages+=(fonts-dejavu-core); fi
# Ubuntu has no such Firefox: its tests are skipped there and say so.
if apt-cache show firefox-esr >/dev/null 2>&1; then packages=("${packages[@]/FIREFOX/firefox-esr}"); fi
chosen=()
for package in "${packages[@]}"; do [ "$package" = FIREFOX ] || chosen+=("$package"); done
if [ "${#chosen[@]}" -eq 0 ]; then exit 0; fi
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${chosen[@]}" >/dev/null
