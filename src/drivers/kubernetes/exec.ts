import { ShivError } from '../../core/errors.ts'
import type { KubeClient } from './client.ts'
import { CHANNEL, openExecSocket } from './exec-socket.ts'
import type { Pod } from './objects.ts'

export interface ExecResult {
  code: number
  stdout: string
  stderr: string
}

interface ExecStatus {
  status: 'Success' | 'Failure'
  message?: string
  details?: { causes?: { reason?: string; message?: string }[] }
}

/** Runs a command in a container, without a shell and without input; returns its exit code and output. Throws POD_EXEC_FAILED when it could not be run. */
export async function execInPod(
  client: KubeClient,
  pod: Pod,
  container: string,
  argv: string[],
  signal: AbortSignal,
): Promise<ExecResult> {
  const { socket, release } = await openExecSocket(client, pod, container, argv, { stdin: false })
  const output: Record<number, Buffer[]> = { [CHANNEL.stdout]: [], [CHANNEL.stderr]: [], [CHANNEL.error]: [] }
  const textOf = (channel: number) => Buffer.concat(output[channel] ?? []).toString('utf8')
  const abort = () => socket.close()
  signal.addEventListener('abort', abort, { once: true })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('message', ({ data }) => {
        const bytes = Buffer.from(data as ArrayBuffer)
        output[bytes[0] ?? -1]?.push(bytes.subarray(1))
      })
      socket.addEventListener('close', () => resolve())
      socket.addEventListener('error', ({ error, message }) => reject(failed(pod, argv, message || String(error), error)))
    })
  } finally {
    signal.removeEventListener('abort', abort)
    await release()
  }
  signal.throwIfAborted()
  return { code: exitCodeOf(pod, argv, textOf(CHANNEL.error)), stdout: textOf(CHANNEL.stdout), stderr: textOf(CHANNEL.stderr) }
}

function exitCodeOf(pod: Pod, argv: string[], report: string): number {
  if (report === '') throw failed(pod, argv, 'the connection ended before the command did')
  const status = JSON.parse(report) as ExecStatus
  if (status.status === 'Success') return 0
  const code = status.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message
  if (code === undefined) throw failed(pod, argv, status.message ?? report)
  return Number(code)
}

function failed(pod: Pod, argv: string[], why: string, cause?: unknown): ShivError {
  return new ShivError(`\`${argv[0]}\` cannot be run in ${pod.metadata.name}: ${why}`, {
    code: 'POD_EXEC_FAILED',
    hint: 'The program must be in the image; an image without a shell has no sh.',
    cause,
  })
}
