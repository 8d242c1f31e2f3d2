export { AuditLines } from './audit-lines.ts';
export { type FramePiece, FrameSplitter } from './frame-splitter.ts';
export type { LineBatch } from './line-batches.ts';
export { RecordLog, type RecordLogParts } from './record-log.ts';
export { isFinished, listSegments, SegmentReader } from './segment-reader.ts';
export { createSegmentWriter, type SegmentWriter, type SegmentWriterOptions } from './segment-writer.ts';
export { type LogPosition, LogTailer, type TailerOptions } from './tailer.ts';
export { DeliveryLogWriters, type LoggedFiles } from './writers.ts';
export { decompressFrames, frameLength, ZstdFrameError } from './zstd-frames.ts';
