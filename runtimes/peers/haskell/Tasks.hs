{-# LANGUAGE RankNTypes #-}

-- | Threads, and how they wait.
module Tasks (gather, sleep) where

import Control.Concurrent (threadDelay, yield)
import Control.Concurrent.Async (async, wait)
import Data.Int (Int64)
import Protocol (Follow)

-- | The results of n tasks, in order.
gather :: Follow -> Int -> (Int -> IO a) -> IO [a]
gather wrapped n task = mapM (async . wrapped . task) [0 .. n - 1] >>= mapM wait

sleep :: Int64 -> IO ()
sleep ns
    | ns <= 0 = yield
    | otherwise = threadDelay (fromIntegral ((ns + 999) `div` 1000))
