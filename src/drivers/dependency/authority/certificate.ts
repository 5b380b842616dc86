import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { bits, boolean, integer, objectId, octets, sequence, setOf, tagged, time, utf8, wrapped } from './der.ts'

/** A certificate (X.509 version 3) in DER, and the key that it is for. */
export interface Issued {
  certificate: Buffer
  key: KeyObject
}

export interface Validity {
  from: Date
  to: Date
}

const ECDSA_WITH_SHA256 = sequence(objectId('1.2.840.10045.4.3.2'))
const EXTENSION = {
  subjectKey: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectNames: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKey: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
}
const DIGITAL_SIGNATURE = bits(Buffer.of(0x80), 7)
const CERT_SIGN_AND_CRL_SIGN = bits(Buffer.of(0x06), 1)
const SERVER_AUTH = objectId('1.3.6.1.5.5.7.3.1')

/** A key on P-256 and a certificate for it by itself, which may sign those of servers and of no further authority. */
export function makeAuthority(name: string, validity: Validity): Issued {
  const key = newKey()
  const certificate = signed(key, {
    subject: nameOf(name),
    issuer: nameOf(name),
    publicKey: key,
    validity,
    extensions: [
      extension(EXTENSION.basicConstraints, sequence(boolean(true), integer(Buffer.of(0))), true),
      extension(EXTENSION.keyUsage, CERT_SIGN_AND_CRL_SIGN, true),
      extension(EXTENSION.subjectKey, octets(keyId(key))),
    ],
  })
  return { certificate, key }
}

/** A new key on P-256 and a certificate of a server for it: each name is a host name or an IP address, the first is the subject's too. */
export function issueServer(authority: { name: string; key: KeyObject }, names: readonly string[], validity: Validity): Issued {
  const key = newKey()
  const certificate = signed(authority.key, {
    // Longer ones have no place in a subject (RFC 5280, A.1); clients read the names below.
    subject: nameOf((names[0] ?? '').slice(0, 64)),
    issuer: nameOf(authority.name),
    publicKey: key,
    validity,
    extensions: [
      extension(EXTENSION.basicConstraints, sequence(), true),
      extension(EXTENSION.keyUsage, DIGITAL_SIGNATURE, true),
      extension(EXTENSION.extendedKeyUsage, sequence(SERVER_AUTH)),
      extension(EXTENSION.subjectNames, sequence(...names.map(subjectName))),
      extension(EXTENSION.subjectKey, octets(keyId(key))),
      extension(EXTENSION.authorityKey, sequence(tagged(0, keyId(authority.key)))),
    ],
  })
  return { certificate, key }
}

export function toPem(certificate: Buffer): string {
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

interface Contents {
  subject: Buffer
  issuer: Buffer
  publicKey: KeyObject
  validity: Validity
  extensions: Buffer[]
}

function signed(by: KeyObject, { subject, issuer, publicKey, validity, extensions }: Contents): Buffer {
  const contents = sequence(
    wrapped(0, integer(Buffer.of(2))),
    integer(serialNumber()),
    ECDSA_WITH_SHA256,
    issuer,
    sequence(time(validity.from), time(validity.to)),
    subject,
    createPublicKey(publicKey).export({ type: 'spki', format: 'der' }),
    wrapped(3, sequence(...extensions)),
  )
  return sequence(contents, ECDSA_WITH_SHA256, bits(sign('sha256', contents, by)))
}

/** 127 random bits, never nought. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes
}

/** One part: the common name. */
function nameOf(commonName: string): Buffer {
  return sequence(setOf(sequence(objectId('2.5.4.3'), utf8(commonName))))
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  return sequence(objectId(id), ...(isCritical ? [boolean(true)] : []), octets(value))
}

function subjectName(name: string): Buffer {
  return isIP(name) === 0 ? tagged(2, Buffer.from(name, 'ascii')) : tagged(7, addressBytes(name))
}

/** RFC 5280, 4.2.1.2: the SHA-1 of the key itself, without what says of which kind it is. An uncompressed point of P-256 is the last 65 bytes. */
function keyId(key: KeyObject): Buffer {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  return createHash('sha1').update(spki.subarray(-65)).digest()
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail] = address.split('::')
  const groups = (text: string | undefined): number[] => (text ? text.split(':').map((group) => parseInt(group, 16)) : [])
  const [first, last] = [groups(head), groups(tail)]
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}
