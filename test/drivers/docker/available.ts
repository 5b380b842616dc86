import { execFileSync } from 'node:child_process'

/** Whether Docker answers and has the images that a test builds from; says in one line why not. */
export function dockerHas(...images: string[]): boolean {
  return works('Docker', () => {
    for (const image of images) execFileSync('docker', ['image', 'inspect', image], { stdio: 'ignore' })
    if (images.length === 0) execFileSync('docker', ['version', '--format', '{{.Server.Version}}'], { stdio: 'ignore' })
  })
}

/** Whether `kind` and a node image are there too. */
export function kindHas(...images: string[]): boolean {
  return works('kind', () => {
    execFileSync('kind', ['version'], { stdio: 'ignore' })
    const nodes = execFileSync('docker', ['images', '-q', 'kindest/node'], { encoding: 'utf8' })
    if (nodes.trim() === '') throw new Error('no kindest/node image on this host')
    for (const image of images) execFileSync('docker', ['image', 'inspect', image], { stdio: 'ignore' })
  })
}

function works(what: string, check: () => void): boolean {
  try {
    check()
    return true
  } catch (error) {
    console.warn(`skipped: ${what} is not usable here: ${(error as Error).message.split('\n')[0]}`)
    return false
  }
}
