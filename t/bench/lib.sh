# lib.sh - what run and api share
# SPDX-License-Identifier: Apache-2.0

fail()
{
    echo "bench: $*" >&2
    exit 1
}

# One of the KEY=VALUE lines of a file in $work.
value()
{
    sed -n "s/^$2=//p" "$work/$1"
}

free_port()
{
    /usr/bin/python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Starts a sandbox in $work/sandbox on core 0, with one child whose memory
# can be watched and httpd's default level of logging; $1: more lines, $2: an
# option of the sandbox.  Without one there is no ledger.
start_sandbox()
{
    rm -rf "$work/sandbox"
    mkdir "$work/sandbox"
    cat >"$work/bench.conf" <<END
LogLevel warn scep:warn
StartServers 1
ServerLimit 1
ThreadsPerChild 16
MaxRequestWorkers 16
MinSpareThreads 1
MaxSpareThreads 16
MaxKeepAliveRequests 0
MaxConnectionsPerChild 0
$1
END
    SCEP_HTTPD_WRAPPER="$exclusive taskset -c 0" "$tree/build/sandbox" start \
        --dir "$work/sandbox" --build "$build" --mpm event \
        --config "$work/bench.conf" "${2:---no-ledger}" >"$work/env" ||
        fail "httpd did not start"
}

stop_sandbox()
{
    "$tree/build/sandbox" stop --dir "$work/sandbox" >/dev/null
}
