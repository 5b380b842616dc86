import { ShivError } from '../../core/errors.ts'

/** The error of what a registry, or the engine on the way to it, said. `what` begins the sentence: `The image orders cannot be sent to`. */
export function registryProblem(registry: string, what: string, said: string, cause?: unknown): ShivError {
  const told = said.replaceAll(/\s+/g, ' ').trim().slice(0, 400)
  const common = { evidence: [told], cause }
  // Docker's engine names its own folders; a registry speaks of none of them.
  if (/no space left|disk quota exceeded/i.test(told) && /\/var\/lib\/docker|write \/|mkdir \//.test(told)) {
    const hint = 'make room, for example with: docker builder prune --force && docker image prune --force'
    return new ShivError(`The disk of this machine is full: ${lower(what)} ${registry}.`, {
      ...common,
      code: 'DOCKER_DISK_FULL',
      exit: 3,
      hint,
    })
  }
  if (/no space left|quota|insufficient storage|\b507\b|\b413\b|too large/i.test(told)) {
    const hint =
      'its owner makes room (old images, the quota of the project), then run the command again: what was sent is not sent twice'
    return new ShivError(`The registry ${registry} is full. ${what} it.`, { ...common, code: 'REGISTRY_FULL', hint })
  }
  if (/unauthorized|authentication required|no basic auth|denied|forbidden|incorrect username|\b401\b|\b403\b/i.test(told)) {
    const hint = `docker login ${registry}`
    return new ShivError(`The registry ${registry} does not let you in. ${what} it.`, {
      ...common,
      code: 'REGISTRY_DENIED',
      exit: 3,
      hint,
    })
  }
  if (
    /connection refused|no such host|i\/o timeout|network is unreachable|no route to host|connection reset|EOF|deadline exceeded|handshake|x509|http response to https/i.test(
      told,
    )
  ) {
    const hint = `curl -sS -o /dev/null -w '%{http_code}\\n' https://${registry}/v2/ shows whether it answers; 200 and 401 are good`
    return new ShivError(`The registry ${registry} is not reached. ${what} it.`, {
      ...common,
      code: 'REGISTRY_UNREACHABLE',
      exit: 3,
      hint,
    })
  }
  const hint =
    'the log of the registry says why: one whose disk is full tells no more than this; then run the command again, what was sent is not sent twice'
  return new ShivError(`The registry ${registry} failed. ${what} it.`, { ...common, code: 'REGISTRY_FAILED', hint })
}

export function registrySlow(registry: string, what: string, waitedMs: number): ShivError {
  return new ShivError(`The registry ${registry} took longer than ${Math.round(waitedMs / 1_000)} s. ${what} it.`, {
    code: 'REGISTRY_SLOW',
    exit: 3,
    hint: 'run the command again: what was sent is not sent twice; a slow line may be given more time: SHIV_REGISTRY_TIMEOUT=5m',
  })
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
