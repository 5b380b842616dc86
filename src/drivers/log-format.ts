/** What runtimes write about their debugger is not the service's own word. */
const DEBUGGERS =
  /^(Debugger (listening on|attached|ending on)|For help, see: https:\/\/nodejs\.org|Waiting for the debugger to disconnect|API server listening at: )/

/** The format of a service's log, by the majority of its own lines; undefined when it wrote none. */
export function logFormatOf(lines: readonly string[]): 'structured' | 'plain' | undefined {
  const own = lines.filter((line) => line.trim() !== '' && !DEBUGGERS.test(line))
  if (own.length === 0) return undefined
  const structured = own.filter((line) => /^\{.*\}$/.test(line.trim())).length
  return structured * 2 > own.length ? 'structured' : 'plain'
}
