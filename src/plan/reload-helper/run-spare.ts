import { script } from './script.ts'

/** The part of run.sh that keeps a spare `node` or `python`. */
export const RUN_SPARE = script`
# Makes the spare's command, where nothing of the service's is read before its turn.
plan_spare() {
  _spare_command= _words=
  case \${SHIV_SPARE:-} in
    node) if [ -f "$_home/spare.cjs" ]; then plan_node "$@"; fi ;;
    python) if [ -f "$_home/spare.py" ]; then plan_python "$@"; fi ;;
  esac
}

# \`node [options] FILE …\`
plan_node() {
  case \${1##*/} in node) ;; *) return ;; esac
  set -f
  for _word in \${NODE_OPTIONS:-}; do
    if reads_early "$_word"; then set +f; return; fi
    case $_word in --inspect | --inspect=*) ;; *) _options_of_spare="$_options_of_spare $_word" ;; esac
  done
  set +f
  _has_value= _is_file_seen=
  add_word "$1"
  shift
  for _word in "$@"; do
    if [ -z "$_is_file_seen$_has_value" ]; then
      if reads_early "$_word"; then return; fi
      case $_word in
        --inspect | --inspect=*) _inspect_of_spare=$_word; continue ;;
        --import | --require | -r | -C | --conditions | --title | --disable-warning) _has_value=2 ;;
        -*) ;;
        /*) _is_file_seen=1 ;;
        *) _is_file_seen=1 _word=$_folder/$_word ;;
      esac
    fi
    case $_has_value in 2) _has_value=1 ;; *) _has_value= ;; esac
    add_word "$_word"
  done
  if [ -n "$_is_file_seen" ]; then _spare_command=$_words; fi
}

# \`python [options] FILE …\` or \`python [options] -m MODULE …\`
plan_python() {
  case \${1##*/} in python | python3 | python3.[0-9] | python3.[0-9][0-9]) ;; *) return ;; esac
  _is_program_seen=
  add_word "$1"
  shift
  for _word in "$@"; do
    if [ -z "$_is_program_seen" ]; then
      case $_word in
        -m | [!-]*) _is_program_seen=1; add_word "$_home/spare.py" ;;
        -[BEIOPsSubqd] | -OO | -W?* | -X?*) ;;
        *) return ;;
      esac
    fi
    add_word "$_word"
  done
  if [ -n "$_is_program_seen" ]; then _spare_command=$_words; fi
}

reads_early() {
  case $1 in
    -e | -p | -pe | -i | -c | -v | -h | - | --eval* | --print* | --interactive | --check | --version | --help) ;;
    --test | --test=* | --watch* | --run | --run=* | --inspect-* | --env-file* | --loader* | --experimental-loader*) ;;
    --permission* | --experimental-permission* | --experimental-config* | --experimental-default-config*) ;;
    --build-snapshot* | --snapshot-blob* | --policy* | --experimental-policy* | --v8-options | --prof-process) ;;
    *) return 1 ;;
  esac
}

prepare() {
  "$_busybox" rm -f "$_home/prepare" "$_home/go.$_spares"
  drop_outdated_spare
  if [ -z "$_spare_command" ] || is_alive "\${_spare:-none}"; then return; fi
  has_room || return
  _spares=$((_spares + 1))
  "$_busybox" mkfifo "$_home/go.$_spares" || return
  exec 8<>"$_home/go.$_spares"
  exec_spare &
  _spare=$!
}

exec_spare() {
  export SHIV_SPARE_FIFO="$_home/go.$_spares" SHIV_SPARE_PRELOAD="\${SHIV_PRELOAD:-}" SHIV_SPARE_LEARNED="$_home/learned"
  if [ "$SHIV_SPARE" = node ]; then
    export SHIV_SPARE_CWD="$_folder" SHIV_SPARE_OPTIONS="\${NODE_OPTIONS:-}"
    export SHIV_SPARE_INSPECT="$_inspect_of_spare" NODE_OPTIONS="--require $_home/spare.cjs$_options_of_spare"
    cd "$_home" || exit 1
    PWD=$_folder
  fi
  unset OLDPWD
  eval "exec \"\$_busybox\" setsid $_spare_command 2>&3 3>&- 8<&- 9<&-"
}

# What was preloaded was installed anew meanwhile.
drop_outdated_spare() {
  if [ -e "$_home/outdated" ]; then
    "$_busybox" rm -f "$_home/outdated"
    if [ -n "$_spare" ]; then kill -KILL "$_spare" 2>/dev/null; wait "$_spare"; fi
    _spare=
  fi
}

# A waiting node takes 8 MB of its own beside what it shares with the one that runs, and what it preloads; where the limit is near, they are the service's.
has_room() {
  _needed=33554432
  if [ -n "\${SHIV_PRELOAD:-}" ]; then _needed=100663296; fi
  _limit=max _used=0 _statistics=/dev/null _cache=
  if [ -r /sys/fs/cgroup/memory.max ]; then
    read -r _limit </sys/fs/cgroup/memory.max
    read -r _used </sys/fs/cgroup/memory.current
    _statistics=/sys/fs/cgroup/memory.stat _cache=inactive_file
  elif [ -r /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
    read -r _limit </sys/fs/cgroup/memory/memory.limit_in_bytes
    read -r _used </sys/fs/cgroup/memory/memory.usage_in_bytes
    _statistics=/sys/fs/cgroup/memory/memory.stat _cache=total_inactive_file
  fi
  [ "$_limit" != max ] || return 0
  while read -r _name _bytes; do
    if [ "$_name" = "$_cache" ]; then _used=$((_used - _bytes)); break; fi
  done <"$_statistics"
  [ $((_limit - _used)) -gt "$_needed" ]
}
`
