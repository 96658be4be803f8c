{-# LANGUAGE BangPatterns #-}
{-# LANGUAGE OverloadedStrings #-}

-- | The channel workload, on a bounded queue of package stm.
module Channel (channel) where

import Control.Concurrent.STM
import Control.Monad
import Data.IORef
import Data.Int (Int64)
import qualified Data.IntMap.Strict as M
import qualified Data.Vector as V
import Protocol
import Tasks (gather, sleep)

-- | The queue cannot be closed: a consumer ends when it pops nothing.
channel :: Run -> IO [Int64]
channel run = do
    queue <- newTBQueueIO (field case_ "capacity")
    pushed <- V.replicateM producers (newIORef 0)
    popped <- V.replicateM consumers (newIORef 0)
    ended <- newIORef (0 :: Int)
    let total counts = V.sum <$> V.mapM readIORef counts :: IO Int64
        held = total pushed >>= \there -> subtract' there <$> total popped
        subtract' a b = max 0 (a - b)
        push element = writeTBQueue queue (Just element)
        produce producer number !most !longest
            | number == elements = do
                most' <- max most <$> held
                before <- atomicModifyIORef' ended (\before -> (before + 1, before))
                when (before + 1 == producers) $
                    replicateM_ consumers (atomically (writeTBQueue queue Nothing))
                pure [elements, most', longest]
            | otherwise = do
                full <- atomically ((False <$ push (producer, number)) `orElse` pure True)
                (most', longest') <- if full then waits producer number most longest else pure (most, longest)
                atomicWriteIORef (pushed V.! producer) (number + 1)
                produce producer (number + 1) most' longest'
        waits producer number most longest = do
            start <- now
            most' <- max most <$> held
            atomically (push (producer, number))
            end <- now
            pure (most', max longest (end - start))
        consume consumer !count !sum_ !disordered !expected =
            atomically (readTBQueue queue) >>= \got -> case got of
                Nothing -> pure [count, sum_, disordered]
                Just (producer, number) -> do
                    atomicWriteIORef (popped V.! consumer) (count + 1)
                    let value = fromIntegral (seed run) + fromIntegral producer * elements + number
                        early = if number < M.findWithDefault 0 producer expected then 1 else 0
                    when (consumer == 0 && slow > 0) (sleep slow)
                    consume consumer (count + 1) (sum_ + value) (disordered + early) (M.insert producer (number + 1) expected)
        task i
            | i < producers = produce i 0 0 0
            | otherwise = consume (i - producers) 0 0 0 M.empty
    concat <$> gather (follow run) (producers + consumers) task
  where
    case_ = spec run
    producers = field case_ "producers"
    consumers = field case_ "consumers"
    elements = field case_ "elements" :: Int64
    slow = field case_ "slow_ns"
