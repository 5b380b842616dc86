import { script } from './script.ts'

/**
 * What agent.sh and seed.sh share: puts an unpacked frame in its place. A frame has two lists of NUL-terminated entries: `t`, for each of
 * its folders `0`, `1`, … what is in it (`*` plain names, `.` names that begin with a dot, `,` with two dots) and where that goes; and
 * `x`, what is to be deleted. Paths are relative to the code folder, in which the shell stands, and begin with `./`.
 */
export const PLACE = script`
# place_frame FRAME: calls \`refuse CAUSE PATH\` for each file that could not be put in its place or deleted.
place_frame() {
  if [ -s "$1/x" ]; then
    if "$_busybox" grep -qaE '/(node_modules|site-packages)/' "$1/x"; then note_module node_modules/; fi
    delete_all "$1/x"
  fi
  _index=0
  while IFS= read -r -d '' _target; do
    note_module "$_target/"
    move_all "$1/$_index" "\${_target%"\${_target#?}"}" "\${_target#?}"
    _index=$((_index + 1))
  done <"$1/t"
}

# A spare may have loaded what is installed: it is not what the service would load.
note_module() {
  case /$1 in */node_modules/* | */site-packages/*) : >"$_home/outdated" ;; esac
}

delete_all() {
  if "$_busybox" xargs -0 "$_busybox" rm -f -- <"$1" 2>/dev/null; then return; fi
  while IFS= read -r -d '' _path; do
    if is_folder "$_path"; then clear_folder "$_path"; continue; fi
    if ! is_there "$_path"; then continue; fi
    _cause=$("$_busybox" rm -f -- "$_path" 2>&1) || refuse "$_cause" "$_path"
  done <"$1"
}

is_there() { [ -e "$1" ] || [ -L "$1" ]; }
is_folder() { [ -d "$1" ] && ! [ -L "$1" ]; }

# Renaming is all that happens to what the service can see, so nobody ever reads half a file.
move_all() {
  _from=$1 _kind=$2 _target=$3 _blocked=
  if ! [ -d "$_target" ]; then _cause=$("$_busybox" mkdir -p -- "$_target" 2>&1) || _blocked=1; fi
  set +f
  case $_kind in
    '*') set -- "$_from"/* ;;
    .) set -- "$_from"/.[!.]* ;;
    *) set -- "$_from"/..?* ;;
  esac
  set -f
  if [ -z "$_blocked" ] && "$_busybox" mv -f -- "$@" "$_target/" 2>/dev/null; then return; fi
  for _file in "$@"; do
    if ! is_there "$_file"; then continue; fi
    if [ -z "$_blocked" ] && move_one "$_file" "$_target/\${_file##*/}"; then continue; fi
    refuse "$_cause" "$_target/\${_file##*/}"
    "$_busybox" rm -rf -- "$_file"
  done
}

# Removes a folder that holds no file, with the folders in it.
clear_folder() { "$_busybox" find "$1" -depth -type d -exec "$_busybox" rmdir -- {} ';' 2>/dev/null; }

# A folder that holds no file is no obstacle.
move_one() {
  if is_folder "$2"; then clear_folder "$2"; fi
  if is_folder "$2"; then _cause='it is a folder'; return 1; fi
  _cause=$("$_busybox" mv -f -T -- "$1" "$2" 2>&1)
}
`
