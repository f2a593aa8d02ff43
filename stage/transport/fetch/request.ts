/** What the program's process asks of the process that fetches, and what it hears. JSON over stdin and stdout. */
import type { WallaErrorCode } from '../../errors.ts';

/** Unpacks the gzip file open as SOURCE_FD into TARGET_FD. */
export interface UnpackRequest {
  kind: 'unpack';
  /** Path of the file, for messages. */
  name: string;
}

/** Downloads into TARGET_FD, or into the directory of downloads. */
export interface DownloadRequest {
  kind: 'download';
  /** With its credentials. */
  url: string;
  /** How long the server may be silent, and the least time in which it must send something worth while. */
  timeoutMs: number;
  /** Directory of the downloads that are kept; undefined: none are. */
  downloads: string | undefined;
  /** Whether it is an error when that directory cannot be used. */
  downloadsNamed: boolean;
}

export type FetchRequest = UnpackRequest | DownloadRequest;

export type FetchReply =
  | {
      ok: true;
      /** Name, in the directory of downloads, of the file that has the archive; undefined: TARGET_FD has it. */
      kept: string | undefined;
      /** Bytes that came over the network. */
      receivedBytes: number;
      /** SHA-256 of the archive's body, in hex, as it arrived. */
      bodyDigest: string;
    }
  | { ok: false; code: WallaErrorCode; message: string; hint: string };

/** Descriptors of the child process. */
export const TARGET_FD = 3;
export const SOURCE_FD = 4;
