# Installs packages of Debian. For scripts that have `say` and `die`.

install_debian_packages() { # what to do where this can't, package…
    local how=$1
    shift
    command -v apt-get >/dev/null || die "missing: $*, and this is not Debian: $how"
    local sudo=()
    if [[ $EUID -ne 0 ]]; then
        command -v sudo >/dev/null || die "missing: $*, and neither root nor sudo to install them: $how"
        sudo=(sudo)
    fi
    say "installing $*"
    # The packages start instances of the system where they may; nothing here uses those.
    local policy=/usr/sbin/policy-rc.d
    if [[ ! -e "$policy" ]]; then
        printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
        "${sudo[@]}" chmod +x "$policy"
        trap "${sudo[*]} rm -f $policy" EXIT
    fi
    local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    # A lock file of the caller's (9) is not for whatever a package starts.
    "${apt[@]}" update >&2 9>&- || die "apt-get update failed: $how"
    "${apt[@]}" install -y --no-install-recommends "$@" >&2 9>&- || die "apt-get install failed: $how"
}
