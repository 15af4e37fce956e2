#!/bin/sh
# Debian packages that the tests need: real servers and a real browser. Installs what is missing.
set -eu
cd "$(dirname "$0")/.."
. tools/packages.sh

missing=""
PATH="$PATH:/usr/sbin:/sbin"
command -v mosquitto >/dev/null || missing="$missing mosquitto"
command -v mosquitto_pub >/dev/null || missing="$missing mosquitto-clients"
command -v mbpoll >/dev/null || missing="$missing mbpoll"
command -v dbus-daemon >/dev/null || missing="$missing dbus-daemon"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v victoria-metrics >/dev/null || missing="$missing victoria-metrics"
command -v influxd >/dev/null || missing="$missing influxdb"
command -v openssl >/dev/null || missing="$missing openssl"
command -v chromium >/dev/null || missing="$missing chromium"
[ -e /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc ] || missing="$missing fonts-noto-cjk"
# shellcheck disable=SC2086  # a list of names
[ -z "$missing" ] || need_packages $missing
