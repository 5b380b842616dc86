import { RUN_SPARE } from './run-spare.ts'
import { script } from './script.ts'

const SUPERVISOR = script`
# Runs the service's own command, and ends it and starts it anew when the agent asks. Names begin with _ because the service's
# environment is in this shell and stays as it is.
_home=\${0%/*}
_busybox=$_home/busybox
_folder=$PWD
_grace=\${SHIV_GRACE_SECONDS:-10}
_generation=0 _token=- _process= _stopping= _ending= _killer= _timer= _code= _pause=1 _starting= _overtaken= _woken= _sequence=0 _begun=-
_spare= _is_spare= _spares=0 _options_of_spare= _inspect_of_spare=

nap() { read -t "$1" _nothing <&9; }

is_alive() {
  read -r _ _ _letter _ 2>/dev/null <"/proc/$1/stat" || return 1
  case $_letter in Z | X) return 1 ;; esac
}

# Appends a word to _words so that eval gives it back.
add_word() {
  _rest=$1 _quoted=
  while :; do
    case $_rest in *\'*) ;; *) break ;; esac
    _quoted="$_quoted\${_rest%%\'*}'\\''" _rest=\${_rest#*\'}
  done
  _words="$_words '$_quoted$_rest'"
}

# The image's own program, never an applet of ours that has its name.
find_program() {
  _program=$1
  case $1 in */*) return ;; esac
  _rest=\${PATH:-/usr/local/bin:/usr/bin:/bin}:
  while [ -n "$_rest" ]; do
    _place=\${_rest%%:*} _rest=\${_rest#*:}
    if [ -f "$_place/$1" ] && [ -x "$_place/$1" ]; then _program=$_place/$1; return; fi
  done
}

# A variable whose name no shell can hold (spring.profile) travels as a word of \`env\`.
add_odd_variables() {
  while IFS= read -r -d '' _entry; do
    case \${_entry%%=*} in
      *[!A-Za-z0-9_]* | [0-9]*)
        [ -n "$_words" ] || _words="'$_busybox' env"
        add_word "$_entry"
        ;;
    esac
  done <"/proc/$$/environ"
}

# Who reads while this is written gets the beginning of the old and the end of the new, and knows it by the two generations.
tell_state() {
  echo "$1 $_generation \${_process:-0} \${_sequence:-0} $_begun $2 $_generation" >"$_home/state"
}

# In a session of its own, so that what it starts can be ended with it.
start() {
  _starting=1 _stopping= _woken= _begun=$_token _generation=$((_generation + 1))
  if [ -n "$_killer" ]; then kill -KILL "$_killer" 2>/dev/null; fi
  _killer=
  read -r _sequence _ 2>/dev/null <"$_home/mark" || _sequence=0
  drop_outdated_spare
  if is_alive "\${_spare:-none}"; then
    echo go >&8
    _process=$_spare _is_spare=1
  else
    _is_spare=
    eval "\"\$_busybox\" setsid $_command 2>&3 3>&- 8<&- 9<&- &"
    _process=$!
  fi
  _spare=
  tell_state running 0
  _starting=
  if [ -n "$_overtaken" ]; then end_process; fi
}

signal_group() { kill "-$1" -- "-$_process" 2>/dev/null || kill "-$1" "$_process" 2>/dev/null; }

# What was forked and is not the service yet would not hear a signal.
await_program() {
  _turns=0
  while [ "$_turns" -lt 100 ] && read -r _name 2>/dev/null <"/proc/$_process/comm" && [ "$_name" = busybox ]; do
    _turns=$((_turns + 1))
    nap 0.001
  done
}

end_process() {
  if [ -n "$_starting" ]; then _overtaken=1; return; fi
  if [ -n "$_stopping" ]; then return; fi
  _stopping=1 _overtaken=
  await_program
  signal_group TERM
  ( nap "$_grace"; signal_group KILL ) &
  _killer=$!
}

on_order() {
  read -r _wanted 2>/dev/null <"$_home/restart" || _wanted=$_token
  if [ "$_wanted" != "$_token" ]; then
    _token=$_wanted _ordered=1 _pause=1 _woken=1
    if [ -n "$_process" ]; then end_process; elif [ -n "$_timer" ]; then kill -KILL "$_timer" 2>/dev/null; fi
  fi
  if [ -e "$_home/prepare" ]; then prepare; fi
}

on_end() {
  _ending=1
  if [ -z "$_process" ]; then exit "\${_code:-143}"; fi
  await_program
  kill "-$1" "$_process" 2>/dev/null
}

on_signal() { if [ -n "$_process" ]; then kill "-$1" "$_process" 2>/dev/null; fi; }

# Sleeps until the time is over or an order comes.
pause() {
  ( nap "$1" ) &
  _timer=$!
  if [ -z "$_woken" ]; then wait "$_timer"; fi
  _timer=
}

# A FIFO that is opened for reading and writing never blocks, and forgets when nobody else has it open.
tell() { if [ -p "$_home/events" ]; then echo "$*" 1<>"$_home/events"; fi; }

# The status of a process that ended while a signal was answered is asked for again; one that was given already is not there a second time.
await_end() {
  while :; do
    wait "$_process"
    _code=$?
    if ! [ -d "/proc/$_process" ]; then break; fi
  done
  wait "$_process"
  _again=$?
  if [ "$_again" != 127 ]; then _code=$_again; fi
  signal_group KILL
}

# A spare that ended before it heard its word was never the service.
died_in_wait() { [ -n "$_is_spare" ] && read -t 0.001 _word <&8 && [ "$_word" = go ]; }

# What the shell has to say of processes that were ended is nothing for the service's log.
exec 3>&2 2>/dev/null
[ -p "$_home/nap" ] || "$_busybox" mkfifo "$_home/nap"
exec 9<>"$_home/nap"
"$_busybox" rm -f "$_home/agent" "$_home/restart" "$_home/prepare" "$_home/outdated" "$_home"/go.*
read -r _boot </proc/sys/kernel/random/uuid
echo "$_boot" >"$_home/boot"
tell_state waiting 0
unset SHLVL

_words=
add_odd_variables
find_program "$1"
shift
set -- "$_program" "$@"
if [ -z "$_words" ]; then plan_spare "$@"; _words=; else _spare_command=; fi
for _word in "$@"; do add_word "$_word"; done
_command=$_words

# What an order brought outlives the container, and so does the promise that the next save mends it.
_ordered=
if read -r _sequence _ 2>/dev/null <"$_home/mark" && [ "\${_sequence:-0}" != 0 ]; then _ordered=1; fi

trap on_order URG
trap 'on_end TERM' TERM
trap 'on_end INT' INT
trap 'on_end QUIT' QUIT
for _word in HUP USR1 USR2 WINCH; do trap "on_signal $_word" "$_word"; done
announce() {
  read -r _line <"/proc/$$/stat"
  set -- $_line
  shift 21
  echo "$$ $1" >"$_home/run"
}
announce
while [ -e "$_home/wait" ]; do pause 3600; done

while :; do
  start
  await_end
  if [ -n "$_ending" ]; then exit "$_code"; fi
  if [ -n "$_stopping" ] || died_in_wait; then continue; fi
  if [ -z "$_ordered" ]; then exit "$_code"; fi
  tell_state crashed "$_code"
  _process=
  tell "crashed $_code"
  pause "$_pause"
  _pause=$((_pause < 16 ? _pause * 2 : 30))
done
`

/**
 * `sh run.sh COMMAND…`: PID 1 of a replica that can be reloaded. In its own folder it writes `run` (its pid and start time), `boot` (this life's id)
 * and `state`: `running GENERATION PID SEQUENCE TOKEN`, `crashed GENERATION PID SEQUENCE TOKEN CODE` or `waiting`. Woken by SIGURG (which
 * no image stops by), it obeys `restart` (a token; another one than before is an order) and `prepare` (a spare is wanted).
 */
export const RUN = RUN_SPARE + SUPERVISOR
