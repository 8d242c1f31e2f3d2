export {
  nextTurn,
  type ReadOptions,
  type RemoteCopies,
  readShapingFiles,
  remoteCopies,
} from './read-files.ts';
