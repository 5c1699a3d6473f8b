# Runs servers without systemd. For scripts that have `say` and `die`, and set `checkout`, `directory_name` (their own
# below .run) and `start_deadline` (seconds).

# Where data lives: below .run, or in a directory of its own below /var/tmp when root's stand-ins cannot get there.
state_directory() { # user…
    local directory="$checkout/.run/$directory_name" user
    if [[ $EUID -eq 0 ]]; then
        for user in "$@"; do
            if id "$user" >/dev/null 2>&1 && ! as "$user" test -x "$checkout"; then
                directory="/var/tmp/tidings-$directory_name-$(printf '%s' "$checkout" | sha256sum | cut -c 1-12)"
            fi
        done
    fi
    mkdir -p "$directory"
    chmod 755 "$directory" "$checkout/.run"
    [[ -O "$directory" ]] || die "$directory belongs to somebody else; remove it"
    echo "$directory"
}

private_directory() { # name, user
    mkdir -p "$state/$1"
    if [[ $EUID -eq 0 ]]; then chown "$2" "$state/$1"; fi
    chmod 700 "$state/$1"
    echo "$state/$1"
}

as() { # user, command…
    local user=$1
    shift
    if [[ $EUID -eq 0 ]]; then (cd / && exec runuser -u "$user" -- "$@"); else "$@"; fi
}

alive() { # pid
    kill -0 "$1" 2>/dev/null && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}

lock() {
    mkdir -p "$checkout/.run"
    exec 9>"$checkout/.run/$directory_name.lock"
    flock -w 600 9 || die "another run of this script holds $checkout/.run/$directory_name.lock"
}

await() { # condition, what, log
    local waited=0
    until "$1"; do
        ((waited < start_deadline * 5)) || die "$2 did not come up within $start_deadline s; see $3"
        waited=$((waited + 1))
        sleep 0.2
    done
    say "$2 is ready"
}

# Debian wraps the real program in one that only knows the system's instance.
rabbitmq_server() {
    local candidate
    for candidate in /usr/lib/rabbitmq/bin/rabbitmq-server /opt/rabbitmq/sbin/rabbitmq-server "$(command -v rabbitmq-server || true)"; do
        if [[ -x "$candidate" ]]; then echo "$candidate"; return; fi
    done
    return 1
}

# A durable queue holds a file open, a connection a socket. Erlang sizes its tables by the limit, hence the bound.
raise_open_files() {
    ulimit -Sn 65536 2>/dev/null || ulimit -Sn "$(ulimit -Hn)" 2>/dev/null || true
}
