/** The line of a program's last ones that says most of why it ended: stack traces and reports end with something else than the error. */
export function tellingLine(lines: readonly string[]): string | undefined {
  const found = lines.findLast(
    (line) => /(error|exception|fatal|panic|cannot|refused)\b/i.test(line) && !line.startsWith("Emitted 'error' event"),
  )
  return found === undefined || found.length <= 200 ? found : `${found.slice(0, 199)}…`
}
