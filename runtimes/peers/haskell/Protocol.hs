{-# LANGUAGE OverloadedStrings #-}
{-# LANGUAGE RankNTypes #-}

-- | The peers' end of the protocol of ../README.md. Numbers of 64 bits are 'Int64's, which wrap around.
module Protocol (Run (..), Follow, answerAll, field, now, optional, say) where

import Control.Exception (SomeException, finally, handle)
import Data.Aeson (FromJSON, Key, Object, Value, encode, object, eitherDecodeStrict, (.:), (.:?), (.=))
import Data.Aeson.Types (parseEither)
import qualified Data.ByteString.Builder as B
import qualified Data.ByteString.Char8 as C
import qualified Data.ByteString.Lazy.Char8 as L
import Data.IORef
import Data.Int (Int64)
import Data.Maybe (fromMaybe)
import Data.Word (Word32)
import GHC.Clock (getMonotonicTimeNSec)
import System.Exit (exitFailure)
import System.IO

-- | A case, the state of its first leaf, and what tasks are wrapped in.
data Run = Run {spec :: Object, seed :: !Word32, follow :: Follow}

type Follow = forall a. IO a -> IO a

-- | What the last run came to: results, sums of each repetition but the last, and flights.
data Done = Done [Int64] [Int64] [Int64]

now :: IO Int64
now = fromIntegral <$> getMonotonicTimeNSec

field :: FromJSON a => Object -> Key -> a
field given key = either error id (parseEither (.: key) given)

optional :: FromJSON a => Object -> Key -> Maybe a
optional given key = either error id (parseEither (.:? key) given)

say :: Value -> IO ()
say answer = L.putStrLn (encode answer) >> hFlush stdout

-- | Notes when a task starts and ends, however it ends; threads on any core may add to it.
noted :: IORef [Int64] -> IO a -> IO a
noted flights task = do
    start <- now
    task `finally` do
        end <- now
        atomicModifyIORef' flights (\before -> (start : end : before, ()))

-- | Says hello and answers requests until there are no more. The first argument makes of a workload's name what
-- does one gather; its result says by how many leaves the next one is further.
answerAll :: String -> (String -> Maybe (Run -> IO (IO [Int64]), Object -> Int)) -> IO ()
answerAll version workloadOf = do
    say (object ["hello" .= object ["version" .= version, "task_limit" .= (Nothing :: Maybe Int)]])
    loop (Done [] [] [])
  where
    loop done = isEOF >>= \end -> if end then pure () else C.getLine >>= answer done >>= loop
    answer done line = handle failed $ do
        request <- either fail pure (eitherDecodeStrict line)
        if field request "request" == ("run" :: String) then run done request else write done request
    failed problem = do
        say (object ["error" .= show (problem :: SomeException)])
        exitFailure
    run done request = case workloadOf (field request "workload") of
        Nothing -> say (object ["no_workload" .= True]) >> pure done
        Just (prepare, leavesOf) -> do
            flights <- newIORef []
            let given = field request "case"
                first = Run given (field request "seed") (if field request "trace" then noted flights else id)
                nth i = first{seed = seed first + fromIntegral (i * leavesOf given)}
                repeats = field request "repeat" :: Int
            ready <- prepare first
            start <- now
            gathered <- ready
            (sums, results) <- repeated prepare (map nth [1 .. repeats - 1]) gathered
            end <- now
            say (object ["wall_s" .= (fromIntegral (end - start) / 1e9 :: Double)])
            Done results sums <$> readIORef flights
    repeated _ [] results = pure ([], results)
    repeated prepare (next : others) results = do
        let total = sum results
        (sums, final) <- total `seq` (prepare next >>= id >>= repeated prepare others)
        pure (total : sums, final)
    write done@(Done results sums flights) request = do
        mapM_ (writeNumbers request) [("results", results), ("sums", sums), ("flights", flights)]
        say (object ["written" .= True])
        pure done

-- | An empty path, or none, is of what is not asked for.
writeNumbers :: Object -> (Key, [Int64]) -> IO ()
writeNumbers request (key, numbers) = case fromMaybe "" (optional request key) of
    "" -> pure ()
    path -> withBinaryFile path WriteMode $ \file -> B.hPutBuilder file (foldMap B.int64LE numbers)
