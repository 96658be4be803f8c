{-# LANGUAGE BangPatterns #-}
{-# LANGUAGE OverloadedStrings #-}
{-# LANGUAGE RankNTypes #-}

-- | The workloads on GHC's threads.
--
-- * A thread is an 'Async', which package async names for what is waited for. A list of them, rather than
--   'mapConcurrently', which starts two threads for each element.
-- * threadDelay counts microseconds and is never early. It does not suspend for no time at all: then it is a yield.
-- * One thread accepts: of many that wait for one socket all are woken for each connection.
module Main (main) where

import Control.Concurrent
import Control.Concurrent.Async
import Control.Exception
import Control.Monad
import Data.Aeson (object, (.=))
import Data.Bits
import qualified Data.ByteString as S
import Data.IORef
import Data.Int (Int64)
import Data.Maybe (fromMaybe)
import Data.Version (showVersion)
import qualified Data.Vector.Unboxed as V
import Data.Word (Word32, Word64)
import Network.Socket
import Network.Socket.ByteString (recv, sendAll)
import Channel (channel)
import Protocol
import Tasks (gather, sleep)
import System.Info (fullCompilerVersion)
import System.Timeout (timeout)

leafValue :: Run -> Int -> Int -> IO Int64
leafValue run index work = evaluate (fromIntegral (stepped work (seed run + fromIntegral index)))

stepped :: Int -> Word32 -> Word32
stepped 0 !state = state
stepped steps !state = stepped (steps - 1) (c `xor` (c `unsafeShiftL` 5))
  where
    a = state `xor` (state `unsafeShiftL` 13)
    c = a `xor` (a `unsafeShiftR` 17)

splitmix64 :: Word64 -> Word64
splitmix64 given = c `xor` (c `shiftR` 31)
  where
    a = given + 0x9e3779b97f4a7c15
    b = (a `xor` (a `shiftR` 30)) * 0xbf58476d1ce4e5b9
    c = (b `xor` (b `shiftR` 27)) * 0x94d049bb133111eb

sleeps :: Run -> IO [Int64]
sleeps run = gather (follow run) (field case_ "tasks") $ \i -> do
    start <- now
    let !delay = delayOf i
    sleep delay
    end <- now
    pure $! end - start - delay
  where
    case_ = spec run
    listed = field case_ "listed_ns" :: V.Vector Int64
    shortest = field case_ "shortest_ns" :: Int64
    choices = fromIntegral (field case_ "longest_ns" - shortest) + 1 :: Word64
    first = read (field case_ "seed") :: Word64
    delayOf i
        | not (V.null listed) = listed V.! i
        | otherwise = shortest + fromIntegral (splitmix64 (first + fromIntegral i) `mod` choices)

gatherTree :: Run -> IO [Int64]
gatherTree run = children (field case_ "depth") 0
  where
    case_ = spec run
    fanOut = field case_ "fan_out"
    heavyLeaves = field case_ "heavy_leaves"
    work = field case_ "work"
    heavyWork = field case_ "heavy_work"
    children :: Int -> Int -> IO [Int64]
    children depth position = gather (follow run) fanOut $ \i -> do
        let index = position * fanOut + i
        if depth > 1
            then sum <$> children (depth - 1) index >>= evaluate
            else yield >> leafValue run index (if index < heavyLeaves then heavyWork else work)

heartbeat :: Run -> IO [Int64]
heartbeat run = concat <$> gather (follow run) (field case_ "tasks" + 1) task
  where
    case_ = spec run
    parts = field case_ "parts"
    work = field case_ "work"
    interval = field case_ "interval_ns"
    beats = field case_ "beats" :: Int
    task 0 = now >>= \first -> beat first first 0 beats
    task i = computeInParts (i - 1)
    beat first end longest 0 = pure [0, longest, (end - first) `div` fromIntegral beats]
    beat first before !longest left = do
        now >>= \current -> sleep (before + interval - current)
        after <- now
        beat first after (max longest (after - before)) (left - 1)
    computeInParts i = do
        values <- forM [0 .. parts - 1] $ \part -> yield >> leafValue run (i * parts + part) work
        pure [sum values, 0, 0]

mix :: Run -> IO [Int64]
mix run = gather (follow run) (field case_ "tasks") $ \i ->
    sum <$> forM [0 .. rounds - 1] (\r -> sleep wait_ns >> leafValue run (i * rounds + r) work) >>= evaluate
  where
    case_ = spec run
    rounds = field case_ "rounds"
    wait_ns = field case_ "wait_ns"
    work = field case_ "work"

-- | Who is cancelled while it waits for others cancels them, too.
cancelling :: Run -> IO [Int64]
cancelling run = do
    counts@[begun, cleanedUp, woken] <- replicateM 3 (newIORef (0 :: Int64))
    let count which = atomicModifyIORef' which (\before -> (before + 1, ()))
        tasks = field (spec run) "tasks"
        sleeper = follow run ((count begun >> threadDelay 3600000000 >> count woken) `finally` count cleanedUp)
        whileAny = readIORef begun >>= \there -> when (there < fromIntegral tasks) (yield >> whileAny)
    background <- async (bracket (replicateM tasks (async sleeper)) (mapM_ cancel) (mapM_ wait))
    whileAny
    start <- now
    cancel background
    told <- either (const 1) (const 0) <$> waitCatch background
    end <- now
    seen <- mapM readIORef (tail counts)
    pure (seen ++ [told, end - start])

-- | Threads hand a state to each other by an MVar for each way, which is a channel of one place.
pingPong :: Run -> IO [Int64]
pingPong run = gather (follow run) (field (spec run) "pairs") $ \pair -> do
    there <- newEmptyMVar
    back <- newEmptyMVar
    let serve state 0 = pure (fromIntegral (state :: Word32))
        serve !state left = putMVar there (stepped 1 state) >> takeMVar back >>= \got -> serve got (left - 1)
        answer = 0 <$ replicateM_ rounds (takeMVar there >>= \state -> putMVar back $! stepped 1 state)
        player 0 = serve (seed run + fromIntegral pair) rounds
        player _ = answer
    head <$> gather (follow run) 2 player
  where
    rounds = field (spec run) "rounds" :: Int

-- | Listens and says where; gives what serves the connections.
echo :: Run -> IO (IO [Int64])
echo run = do
    listener <- socket AF_INET Stream defaultProtocol
    bind listener (SockAddrInet 0 (tupleToHostAddress (127, 0, 0, 1)))
    listen listener 4096
    port <- socketPort listener
    say (object ["port" .= (fromIntegral port :: Int)])
    pure $ do
        tasks <- replicateM (field case_ "connections") $ do
            (connection, _) <- accept listener
            async (follow run (echoConnection connection))
        close listener
        mapM wait tasks
  where
    case_ = spec run
    size = field case_ "buffer_bytes"
    deadline_ns = fromMaybe 0 (optional case_ "deadline_ns") :: Int
    inTime
        | deadline_ns == 0 = id
        | otherwise = timeout (deadline_ns `div` 1000) >=> maybe (throwIO (userError "a read has timed out")) pure
    echoConnection connection = do
        setSocketOption connection NoDelay 1
        let loop !echoed = do
                bytes <- inTime (recv connection size)
                if S.null bytes
                    then echoed <$ close connection
                    else sendAll connection bytes >> loop (echoed + fromIntegral (S.length bytes))
        loop 0

main :: IO ()
main = answerAll version workload
  where
    version = "GHC " ++ showVersion fullCompilerVersion
    once root = Just (pure . root, const 0)
    workload name = case name of
        "sleeps" -> once sleeps
        "gather" -> Just (pure . gatherTree, \given -> field given "fan_out" ^ (field given "depth" :: Int))
        "heartbeat" -> once heartbeat
        "mix" -> once mix
        "cancel" -> once cancelling
        "channel" -> once channel
        "ping_pong" -> once pingPong
        "echo" -> Just (echo, const 0)
        "echo_with_deadlines" -> Just (echo, const 0)
        _ -> Nothing
