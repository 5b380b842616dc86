import { PLACE } from './place.ts'
import { script } from './script.ts'

const SEED = script`
_home=\${0%/*}
_busybox=$_home/busybox
_workdir=$1 _code=$2 _overlay=$3
_stage=$_code/.shiv-incoming
LC_ALL=C
set -f
# The helper's own files are written by the main container too, which may be another user's. Code is made as a frame says, and its folders 0755.
umask 0

refuse() {
  _refused=$((_refused + 1))
  echo "shiv: $2 cannot be put into the code folder: \${1##*: }" >&2
}

# A node that was restarted runs this again: what was there before goes. Owners are those of who runs it, and folders can be written.
"$_busybox" find "$_code" -mindepth 1 -maxdepth 1 -exec "$_busybox" rm -rf -- {} +
"$_busybox" rm -f "$_home/mark" "$_home/wait" "$_home/state"
if [ -d "$_workdir" ]; then
  "$_busybox" cp -a "$_workdir/." "$_code/" 2>"$_home/seeded"
  while IFS= read -r _line; do
    case $_line in
      "cp: can't preserve "*) ;;
      *'No space left'*) echo "shiv: the code folder has no room for the image's files: $_line" >&2; exit 1 ;;
      *) echo "shiv: left out of the code folder: $_line" >&2 ;;
    esac
  done <"$_home/seeded"
  "$_busybox" find "$_code" -mindepth 1 -type d ! -perm -200 -exec "$_busybox" chmod u+w -- {} +
fi

if [ -e "$_overlay/wait" ]; then : >"$_home/wait"; fi
if [ -e "$_overlay/overlay.tar.gz" ]; then
  _refused=0
  "$_busybox" mkdir -p -m 700 "$_stage" || exit 1
  "$_busybox" tar -x -z -o -f "$_overlay/overlay.tar.gz" -C "$_stage" || exit 1
  cd "$_code" || exit 1
  umask 022
  place_frame "$_stage"
  umask 0
  read -r _sequence _mark <"$_overlay/mark"
  if [ "$_refused" != 0 ]; then _mark=-; fi
  echo "$_sequence $_mark" >"$_home/mark"
  "$_busybox" rm -rf "$_stage"
fi
`

/** `sh seed.sh WORKDIR CODE OVERLAY`: fills the code folder with what the image has in its working folder and then with the newest overlay, if there is one. */
export const SEED_SCRIPT = PLACE + SEED
