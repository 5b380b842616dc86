import { script } from './script.ts'

/** The part of agent.sh that finds out when a started service answers. */
export const READINESS = script`
nap() { read -t "$1" _nothing <&9; }

hundredths() {
  read -r _uptime _nothing </proc/uptime
  _now=\${_uptime%.*}\${_uptime#*.}
}

# A new listener changes these numbers; to read the kernel's list of sockets itself takes milliseconds.
count_sockets() {
  _sockets=
  while read -r _name _nothing _used _nothing; do
    if [ "$_name" = TCP: ]; then _sockets=$_used; break; fi
  done </proc/net/sockstat
  if [ -r /proc/net/sockstat6 ]; then read -r _nothing _nothing _used </proc/net/sockstat6; fi
  _sockets=$_sockets.$_used
}

is_healthy() {
  if [ -n "\${SHIV_HEALTH_PATH:-}" ]; then
    is_answered
  elif "$_busybox" nc 127.0.0.1 "$_port" -e "$_busybox" true </dev/null >/dev/null 2>&1; then
    return 0
  else
    _health="nothing listens on port $_port"
    return 1
  fi
}

# One request as the kubelet makes it. The FIFO of the request stays open, because a server may take a half-closed connection for a client
# that left; that of the answer ends with the asking process.
is_answered() {
  exec 7<>"$_home/ask"
  printf 'GET %s HTTP/1.1\r\nHost: localhost:%s\r\nUser-Agent: shiv-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n' \
    "$SHIV_HEALTH_PATH" "$_port" >&7
  "$_busybox" nc 127.0.0.1 "$_port" <&7 7<&- >"$_home/answer" 2>/dev/null &
  _asker=$!
  echo "$_asker" >"$_home/asker"
  exec 7<&-
  hundredths
  _asked=$_now
  IFS=' ' read -t 5 -r _nothing _status _nothing <"$_home/answer"
  hundredths
  case $_status in
    [23]??) return 0 ;;
    ?*) _health="$SHIV_HEALTH_PATH answers $_status" ;;
    *)
      if [ $((_now - _asked)) -ge 490 ]; then
        _health="$SHIV_HEALTH_PATH does not answer"
      elif wait "$_asker"; then
        _health="$SHIV_HEALTH_PATH is not answered in HTTP"
      else
        _health="nothing listens on port $_port"
      fi
      ;;
  esac
  kill -KILL "$_asker" 2>/dev/null
  return 1
}

# read_state: _condition running, crashed or waiting. What is read while it is written is read again.
read_state() {
  _again=
  until [ -n "$_again" ] && [ "$_generation" = "$_again" ]; do
    read -r _condition _generation _process _running _token _code _again 2>/dev/null <"$_home/state" || nap 0.001
  done
}

# watch_start SEQUENCE TOKEN SECONDS: says \`restarted\` and then \`ready\` or \`failed\`, of the process that began with this token.
watch_start() {
  hundredths
  _deadline=$((_now + (\${SHIV_GRACE_SECONDS:-10} + 30) * 100)) _health= _port=\${SHIV_HEALTH_PORT:-} _polls=0 _patience=0 _seen=
  while read_state; [ "$_token" != "$2" ]; do
    hundredths
    if [ "$_now" -ge "$_deadline" ]; then echo "failed $1 unhealthy the old process does not end"; return; fi
    nap 0.001
  done
  _deadline=$((_now + $3 * 100))
  if [ "$_condition" = running ]; then echo "restarted $1 $_process"; fi
  while :; do
    if [ "$_condition" = crashed ]; then echo "failed $1 exited $_code"; return; fi
    if [ "$_token" != "$2" ] || ! [ -d "/proc/$$" ]; then return; fi
    if is_up; then break; fi
    hundredths
    if [ "$_now" -ge "$_deadline" ]; then echo "failed $1 unhealthy $_health"; return; fi
    _polls=$((_polls + 1)) _patience=$((_patience - 1))
    if [ "$_polls" -lt 500 ]; then nap 0.001; else nap 0.01; fi
    read_state
  done
  : >"$_home/asker"
  read_state
  if [ "$_condition $_token" != "running $2" ]; then
    echo "failed $1 exited $_code"
    return
  fi
  echo "ready $1 $_process"
  : >"$_home/prepare"
  kill -URG "$_supervisor"
}

# Asks when there is reason to, and now and then without.
is_up() {
  if [ -z "$_port" ]; then
    [ "$_polls" -ge 40 ]
    return
  fi
  count_sockets
  if [ "$_sockets" = "$_seen" ] && [ "$_patience" -gt 0 ]; then return 1; fi
  _seen=$_sockets _status=
  is_healthy && return 0
  if [ -n "$_status" ]; then _patience=20; else _patience=50; fi
  return 1
}
`
