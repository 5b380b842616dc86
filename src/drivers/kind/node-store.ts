import { createHash } from 'node:crypto'
import { createInterface, type Interface } from 'node:readline'
import { execInContainer, type ExecStream } from '../docker/exec.ts'
import type { Engine } from '../docker/engine.ts'

/** What a node's containerd holds, asked of the node itself. */
export interface NodeStore {
  readonly node: string
  /** Digest of the manifest by image name; containerd also names each image by the digest of its configuration. */
  images(): Promise<Map<string, string>>
  layers(): Promise<NodeLayers>
  /** Removes images by name. */
  removeImages(names: string[]): Promise<void>
  close(): void
}

export interface NodeLayers {
  /** Chain ids of unpacked layers. */
  snapshots: Set<string>
  /** Bytes and, for compressed ones, the digest of what is inside, by digest. */
  blobs: Map<string, { sizeBytes: number; diffId: string }>
}

/**
 * One shell for all questions: a new exec costs ten times what a question does. It answers each line with the output of `ctr` and
 * an end mark that carries its exit code.
 */
const script = `
snapshotter() {
  [ -n "$S" ] || S=$(containerd config dump 2>/dev/null | sed -n "s/^ *snapshotter = [\\"']\\([^\\"']*\\)[\\"'].*/\\1/p" | grep . | head -n 1)
  echo "\${S:-overlayfs}"
}
while IFS=' ' read -r verb rest; do
  case $verb in
    images) ctr -n k8s.io images ls 2>&1 ;;
    blobs) ctr -n k8s.io content ls 2>&1 ;;
    sizes) (cd /var/lib/containerd/io.containerd.content.v1.content/blobs/sha256 && stat -c 'sha256:%n %s' -- * 2>&1) ;;
    snapshots) ctr -n k8s.io snapshots --snapshotter "$(snapshotter)" ls 2>&1 ;;
    remove) ctr -n k8s.io images rm $rest 2>&1 ;;
  esac
  echo "--- $?"
done`

/** Opens the store of a node (a container's name). The exec starts at the first question and again if it was lost. */
export function openNodeStore(engine: Engine, node: string): NodeStore {
  let open: Promise<{ exec: ExecStream; lines: AsyncIterator<string>; reader: Interface }> | undefined
  let queue: Promise<unknown> = Promise.resolve()

  const connect = async () => {
    const exec = await execInContainer(engine, node, ['sh', '-c', script])
    const reader = createInterface({ input: exec.stdout })
    return { exec, reader, lines: reader[Symbol.asyncIterator]() }
  }
  const askOnce = async (question: string): Promise<string[]> => {
    const { exec, lines } = await (open ??= connect())
    await exec.write(`${question}\n`)
    const answer: string[] = []
    for (;;) {
      const next = await lines.next()
      if (next.done) throw new Error(`the shell in ${node} ended: ${exec.stderr().trim()}`)
      const end = /^--- (\d+)$/.exec(next.value)
      if (end === null) answer.push(next.value)
      else if (end[1] === '0') return answer
      else throw new Error(`ctr in ${node}: ${answer.slice(-3).join(' ')}`)
    }
  }
  const drop = (): void => {
    const lost = open
    open = undefined
    lost?.then(({ exec, reader }) => (reader.close(), exec.destroy())).catch(() => undefined) // it never opened
  }
  const ask = (question: string): Promise<string[]> => {
    const answer = queue.then(async () => {
      const wasOpen = open !== undefined
      try {
        return await askOnce(question)
      } catch (error) {
        drop()
        if (!wasOpen) throw error
        return askOnce(question) // the node was restarted since the last question
      }
    })
    queue = answer.catch(() => undefined)
    return answer
  }

  return {
    node,
    images: async () => parseImages(await ask('images')),
    async layers() {
      const blobs = parseBlobs(await ask('blobs'), await ask('sizes'))
      return { blobs, snapshots: parseSnapshots(await ask('snapshots')) }
    },
    async removeImages(names) {
      // Names come from containerd's own list; they hold no space and nothing that a shell would take for its own.
      const safe = names.filter((name) => /^[\w./:@-]+$/.test(name))
      if (safe.length > 0) await ask(`remove ${safe.join(' ')}`)
    },
    close: drop,
  }
}

/** REF TYPE DIGEST SIZE PLATFORMS LABELS */
export function parseImages(lines: string[]): Map<string, string> {
  const images = new Map<string, string>()
  for (const line of lines.slice(1)) {
    const [name, , digest] = line.split(/\s+/)
    if (name && digest?.startsWith('sha256:')) images.set(name, digest)
  }
  return images
}

/** DIGEST SIZE AGE LABELS; that size is for people (`1.5MB`), so the bytes come from the files' own, as lines of DIGEST BYTES. */
export function parseBlobs(lines: string[], sizes: string[]): NodeLayers['blobs'] {
  const bytes = new Map(sizes.map((line) => line.split(' ') as [string, string]))
  const blobs: NodeLayers['blobs'] = new Map()
  for (const line of lines.slice(1)) {
    const [digest] = line.split(/\s+/)
    const size = digest === undefined ? undefined : bytes.get(digest)
    if (digest === undefined || size === undefined) continue
    const inside = /containerd\.io\/uncompressed=(sha256:[0-9a-f]{64})/.exec(line)?.[1]
    blobs.set(digest, { sizeBytes: Number(size), diffId: inside ?? digest })
  }
  return blobs
}

/** KEY PARENT KIND */
export function parseSnapshots(lines: string[]): Set<string> {
  const keys = lines.slice(1).map((line) => line.trim().split(/\s+/))
  return new Set(keys.flatMap(([key, ...rest]) => (key?.startsWith('sha256:') && rest.at(-1) === 'Committed' ? [key] : [])))
}

/** The name under which containerd keeps the unpacked stack of layers up to each one. */
export function chainIds(diffIds: string[]): string[] {
  let chain = ''
  return diffIds.map((diffId) => {
    chain = chain === '' ? diffId : `sha256:${createHash('sha256').update(`${chain} ${diffId}`).digest('hex')}`
    return chain
  })
}
