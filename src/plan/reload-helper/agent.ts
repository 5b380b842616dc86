import { PLACE } from './place.ts'
import { READINESS } from './readiness.ts'
import { script } from './script.ts'

const AGENT = script`
_home=\${0%/*}
_busybox=$_home/busybox
_root=$1
_stage=$_root/.shiv-incoming
_watcher= _prober=
LC_ALL=C
set -f
umask 022
cd "$_root" || exit 1

# One agent a container: a former one whose stream is lost may still be at work.
end_former() {
  read -r _former 2>/dev/null <"$_home/agent" || return
  { IFS= read -r -d '' _nothing; IFS= read -r -d '' _nothing; IFS= read -r -d '' _words; } 2>/dev/null <"/proc/$_former/cmdline"
  case $_words in */agent.sh) ;; *) return ;; esac
  kill -KILL -- "-$_former" 2>/dev/null || kill -KILL "$_former" 2>/dev/null
}

end_prober() {
  if [ -n "$_prober" ] && kill -KILL "$_prober" 2>/dev/null && read -r _asker 2>/dev/null <"$_home/asker"; then
    kill -KILL "$_asker" 2>/dev/null
  fi
  _prober=
}

refuse() {
  _refused=$((_refused + 1))
  _reason=\${1##*: }
  printf 'refused %s\n%s\0' "\${_reason%%
*}" "$2"
}

# apply SEQUENCE MARK BYTES. While it is at work nobody can say what the container holds, so the mark is away. A frame that cannot be
# unpacked to its end changes nothing.
apply() {
  : >"$_home/mark"
  [ -d "$_stage" ] || "$_busybox" mkdir -p -m 700 "$_stage"
  _refused=0
  if "$_busybox" dd bs=65536 count="$3" iflag=fullblock,count_bytes 2>/dev/null | unpack; then
    place_frame "$_stage"
    conclude "$1" "$2"
  else
    read -r _cause 2>/dev/null <"$_home/unpacked" || _cause=
    "$_busybox" rm -rf "$_stage"
    echo "broken $1 \${_cause##*: }"
  fi
}

# put SEQUENCE MARK BYTES UMASK: the commonest order, one plain file, by one command less. Its path comes before its bytes.
put() {
  IFS= read -r -d '' _path
  : >"$_home/mark"
  [ -d "$_stage" ] || "$_busybox" mkdir -p -m 700 "$_stage"
  umask "$4"
  if ! : >"$_stage/f"; then
    "$_busybox" dd bs=65536 count="$3" iflag=fullblock,count_bytes of=/dev/null 2>/dev/null
    _cause='its folder cannot be written'
  elif [ "$3" != 0 ] && ! "$_busybox" dd bs="$3" count=1 iflag=fullblock of="$_stage/f" 2>"$_home/unpacked"; then
    read -r _cause <"$_home/unpacked"
  else
    _cause=
  fi
  umask 022
  if [ -n "$_cause" ]; then
    "$_busybox" rm -rf "$_stage"
    echo "broken $1 \${_cause##*: }"
    return
  fi
  _refused=0 _folder=\${_path%/*}
  note_module "$_path"
  if ! [ -d "$_folder" ] && ! _cause=$("$_busybox" mkdir -p -- "$_folder" 2>&1); then
    refuse "$_cause" "$_path"
  elif ! "$_busybox" mv -f -T -- "$_stage/f" "$_path" 2>/dev/null && ! move_one "$_stage/f" "$_path"; then
    refuse "$_cause" "$_path"
  fi
  conclude "$1" "$2"
}

conclude() {
  if [ "$_refused" = 0 ]; then echo "$1 $2" >"$_home/mark"; else echo "$1 -" >"$_home/mark"; fi
  echo "applied $1 $_refused"
  release "$1" "$2"
}

# A container that waits for what the overlay brings starts when all of it is there.
release() {
  if [ -e "$_home/wait" ] && [ "$_refused" = 0 ] && [ "$2" != - ]; then
    "$_busybox" rm -f "$_home/wait"
    order "first-$$-$1"
  fi
}

# Modes are the frame's own. It runs in the subshell of a pipeline, whose umask ends with it.
unpack() {
  umask 0
  if "$_busybox" tar -x -o -f - -C "$_stage" 2>"$_home/unpacked"; then return; fi
  "$_busybox" cat >/dev/null
  return 1
}

order() {
  echo "$1" >"$_home/restart"
  kill -URG "$_supervisor"
}

# restart SEQUENCE SECONDS HOW: \`process\`, \`none\` or the name of a signal.
restart() {
  end_prober
  _turn=$((_turn + 1))
  _wanted=$1-$$-$_turn
  read_state
  if [ "$3" = process ] || [ "$_condition" != running ]; then
    order "$_wanted"
  else
    _wanted=$_token
    if [ "$3" != none ]; then kill "-$3" "$_process" || echo "failed $1 unhealthy the process takes no $3"; fi
  fi
  watch_start "$1" "$_wanted" "$2" 5<&- &
  _prober=$!
}

# hash TOKEN BYTES: of each path of the NUL-terminated list that can be read, in its order. Line by line, because what the prober says
# may come in between.
hash() {
  "$_busybox" dd bs=65536 count="$2" iflag=fullblock,count_bytes 2>/dev/null |
    "$_busybox" xargs -0 "$_busybox" sha256sum -- 2>/dev/null |
    while IFS= read -r _line; do printf '= %s\n' "$_line"; done
  echo "hashed $1"
}

# What a former life of the container left is not of the supervisor that is about to begin.
finds_supervisor() {
  read -r _supervisor _since 2>/dev/null <"$_home/run" || return 1
  read -r _line 2>/dev/null <"/proc/$_supervisor/stat" || return 1
  set -- $_line
  shift 21
  [ "$1" = "$_since" ]
}

hello() {
  read -r _boot <"$_home/boot"
  _sequence= _mark=
  read -r _sequence _mark 2>/dev/null <"$_home/mark"
  read_state
  echo "hello 1 $_boot \${_sequence:-0} \${_mark:--} $_condition $_running $_process $_code"
  if [ "$_condition" = running ]; then : >"$_home/prepare"; kill -URG "$_supervisor"; fi
}

# Reads to the end of the FIFO, which is when the agent no longer has it open.
tell_events() {
  while IFS= read -r _line; do echo "$_line"; done
}

until [ -p "$_home/nap" ]; do "$_busybox" usleep 10000; done
exec 9<>"$_home/nap"
until finds_supervisor; do nap 0.01; done
end_former
echo "$$" >"$_home/agent"
"$_busybox" rm -rf "$_stage" "$_home/events" "$_home/ask" "$_home/answer"
"$_busybox" mkfifo "$_home/events" "$_home/ask" "$_home/answer"
exec 5<>"$_home/events"
tell_events <"$_home/events" 5<&- &
_watcher=$!
_turn=0
hello
while IFS= read -r _line; do
  set -- $_line
  case $1 in
    put) put "$2" "$3" "$4" "$5" ;;
    apply) apply "$2" "$3" "$4" ;;
    restart) restart "$2" "$3" "$4" ;;
    hash) hash "$2" "$3" ;;
    ping) echo "pong $2" ;;
  esac
done
end_prober
kill -KILL "$_watcher" 2>/dev/null
`

/**
 * `sh agent.sh CODE_FOLDER`: what the daemon speaks to in a replica, over stdin and stdout. `src/drivers/sync/` holds the other end. Asked by lines,
 * some with an exact count of bytes behind them: `apply SEQUENCE MARK BYTES` + a tar frame (see PLACE), `put SEQUENCE MARK BYTES UMASK` + a NUL-terminated path + its bytes, `restart SEQUENCE SECONDS HOW`, `hash TOKEN BYTES` +
 * NUL-terminated paths, `ping TOKEN`. It says `hello VERSION BOOT SEQUENCE MARK CONDITION RUNNING PID CODE` at first, `refused CAUSE` + a NUL-terminated
 * path, `applied SEQUENCE REFUSED`, `broken SEQUENCE CAUSE`, `restarted SEQUENCE PID`, `ready SEQUENCE PID`, `failed SEQUENCE exited CODE`,
 * `failed SEQUENCE unhealthy WHY`, sha256sum's lines each behind `= ` and then `hashed TOKEN`, `crashed CODE`, `pong TOKEN`.
 */
export const AGENT_SCRIPT = PLACE + READINESS + AGENT
