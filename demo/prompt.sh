#!/usr/bin/env bash
# Types at the agent's prompt as a user would: on a pseudo-terminal, one
# command after the other, each when the prompt has come. Sourced by run.sh.

# Whoever stops at the prompt is heard at the latest after this many seconds.
prompt_patience=30

# prompt_start FOLDER COMMAND: the terminal's screen is kept in FOLDER.
prompt_start() {
    prompt_screen=$1/screen
    mkfifo "$1/keys"
    # Open in both directions: the terminal must not see an end between two commands.
    exec {prompt_keys}<>"$1/keys"
    prompt_seen=0
    : >"$prompt_screen"
    # A dumb terminal keeps the screen free of escape sequences.
    TERM=dumb script -qfec "$2" /dev/null <"$1/keys" >"$prompt_screen" 2>&1 &
    prompt_pid=$!
    prompt_wait
}

prompt_new() {
    tail -c "+$((prompt_seen + 1))" "$prompt_screen" | tr -d '\r'
}

# Waits until the screen ends with a fresh prompt. Nothing follows it until a key is pressed.
prompt_wait() {
    local deadline=$((SECONDS + prompt_patience))
    while ((SECONDS < deadline)); do
        if (($(stat -c %s "$prompt_screen") > prompt_seen)) && [[ $(tail -c 6 "$prompt_screen") == "l4lb> " ]]; then
            return
        fi
        if ! kill -0 "$prompt_pid" 2>/dev/null; then
            prompt_new
            fail "the agent has ended"
        fi
        sleep 0.05
    done
    prompt_new
    fail "no prompt within $prompt_patience s"
}

# A long table would push all else off the reader's screen: its beginning and its end will do.
prompt_shorten() {
    awk '{ line[NR] = $0 }
        END {
            for (i = 1; i <= NR; i++) {
                if (NR <= 24 || i <= 6 || i > NR - 12) print line[i]
                else if (i == 7) print "... " NR - 18 " more lines"
            }
        }'
}

# prompt_run COMMAND: types it and shows what it prints, which is then in prompt_answer.
prompt_run() {
    prompt_seen=$(stat -c %s "$prompt_screen")
    printf '%s\n' "$1" >&"$prompt_keys"
    prompt_wait
    # Without the echo of the command, and without the next prompt.
    prompt_answer=$(prompt_new | sed '1d;$d')
    echo "    l4lb> $1"
    [[ -z $prompt_answer ]] || prompt_shorten <<<"$prompt_answer" | sed 's/^/    /'
    if grep '^error: ' <<<"$prompt_answer" >/dev/null; then fail "the agent refused: $1"; fi
}

# Ends the agent as a user does, and takes on its exit code.
prompt_exit() {
    local deadline=$((SECONDS + prompt_patience)) status=0
    echo "    l4lb> exit"
    printf 'exit\n' >&"$prompt_keys"
    while kill -0 "$prompt_pid" 2>/dev/null; do
        if ((SECONDS >= deadline)); then fail "the agent did not end within $prompt_patience s"; fi
        sleep 0.05
    done
    wait "$prompt_pid" || status=$?
    prompt_pid=''
    return "$status"
}
