# Sourced: need_packages NAME... installs Debian packages when it may, and says what is missing when not.
need_packages() {
    if [ "$(id -u)" = 0 ]; then
        as_root=""
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        echo "error: please install first: sudo apt-get install $*" >&2
        exit 1
    fi
    command -v apt-get >/dev/null || {
        echo "error: please install first, by their names on Debian: $*" >&2
        exit 1
    }
    echo "· Debian packages: $*"
    $as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
